ALTER TABLE uploader.receipts DROP COLUMN asked_version;
