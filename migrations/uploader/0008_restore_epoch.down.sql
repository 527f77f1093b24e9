COMMENT ON COLUMN uploader.receipts.asked_version IS NULL;
DROP TABLE uploader.restore_epoch;
