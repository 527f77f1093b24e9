-- no-transaction
-- The sweep compares the bucket's listing, which is in the order of bytes, with what may be referred to, page by page.
CREATE INDEX CONCURRENTLY objects_live_in_order ON uploader.objects (key COLLATE "C") WHERE state = 'live';
