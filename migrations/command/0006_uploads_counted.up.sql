-- no-transaction
-- What an account has used and reserved is compared with the sums of its uploads, from this index alone.
CREATE INDEX CONCURRENTLY uploads_counted ON command.uploads (owner, status) INCLUDE (size_bytes)
    WHERE status IN ('pending', 'received', 'stored');
