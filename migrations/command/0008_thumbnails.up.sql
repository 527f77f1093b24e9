-- {object_key, sha256, size_bytes, content_type, width, height} of a stored upload's thumbnail; its size counts as used
-- with the file's. Every command-api knows of it before the first uploader derives one: consumers are upgraded first.
ALTER TABLE command.uploads ADD COLUMN thumbnail jsonb;
