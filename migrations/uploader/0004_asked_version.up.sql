-- Which version of the upload the newest fact answers: a question that was asked again, in a later version, is
-- answered again; one that was only delivered again is not.
ALTER TABLE uploader.receipts ADD COLUMN asked_version bigint NOT NULL DEFAULT 0;
