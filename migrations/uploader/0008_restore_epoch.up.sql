-- How often this database was set back to an earlier point; part of every fact. The service may only read it.
CREATE TABLE uploader.restore_epoch (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    epoch     integer NOT NULL DEFAULT 0
);
INSERT INTO uploader.restore_epoch DEFAULT VALUES;
REVOKE INSERT, UPDATE, DELETE ON uploader.restore_epoch FROM depot_uploader;

COMMENT ON COLUMN uploader.receipts.asked_version IS
    'Restore epoch and version of the upload as one number: the epoch times 2^32, and the version.';
