ALTER TABLE command.uploads DROP COLUMN thumbnail;
