-- An answer is written into the row of its key in the same transaction: where there is room on the page, no index is touched.
ALTER TABLE command.idempotency_keys SET (fillfactor = 50);
