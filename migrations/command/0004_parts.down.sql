ALTER TABLE command.uploads DROP COLUMN multipart_id, DROP COLUMN part_size_bytes;
