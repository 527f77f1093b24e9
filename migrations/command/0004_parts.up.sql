-- Files that are sent in parts. Old processes leave both columns alone: what they announce is sent whole.
ALTER TABLE command.uploads
    -- The size of every part but the last; none for a file that is sent whole.
    ADD COLUMN part_size_bytes bigint,
    -- The object store's id of the multipart upload that takes the parts, once it was begun.
    ADD COLUMN multipart_id    text;
-- Rows that are there have neither, so that there is nothing to scan for.
ALTER TABLE command.uploads ADD CONSTRAINT uploads_parts
    CHECK (part_size_bytes > 0 AND (multipart_id IS NULL OR part_size_bytes IS NOT NULL)) NOT VALID;
