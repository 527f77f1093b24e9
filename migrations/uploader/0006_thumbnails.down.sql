ALTER TABLE uploader.receipts DROP COLUMN thumbnail, DROP COLUMN thumbnail_key;
