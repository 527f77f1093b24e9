-- {object_key, sha256, size_bytes, content_type, width, height} of a stored upload's thumbnail.
ALTER TABLE read.uploads ADD COLUMN thumbnail jsonb;
