DROP TABLE uploader.parked_keys, uploader.retry_tenures;
