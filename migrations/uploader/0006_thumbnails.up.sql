-- Thumbnails are objects like files. A process that is older than these columns and lets go of an upload with a thumbnail
-- violates the constraint below: it fails and waits, and a newer one does it, rather than leave the thumbnail behind.
ALTER TABLE uploader.receipts
    -- A second object that the receipt refers to.
    ADD COLUMN thumbnail_key text REFERENCES uploader.objects (key),
    -- What was told of it: {object_key, sha256, size_bytes, content_type, width, height}
    ADD COLUMN thumbnail     jsonb;
-- Rows that are there have neither, so that there is nothing to scan for.
ALTER TABLE uploader.receipts ADD CONSTRAINT receipts_thumbnail
    CHECK ((thumbnail_key IS NULL) = (thumbnail IS NULL) AND (thumbnail_key IS NULL OR object_key IS NOT NULL)) NOT VALID;
-- Who else refers to an object.
CREATE INDEX receipts_by_thumbnail ON uploader.receipts (thumbnail_key) WHERE thumbnail_key IS NOT NULL;
