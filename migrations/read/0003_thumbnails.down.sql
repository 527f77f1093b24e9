ALTER TABLE read.uploads DROP COLUMN thumbnail;
