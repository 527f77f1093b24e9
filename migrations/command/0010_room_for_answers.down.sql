ALTER TABLE command.idempotency_keys RESET (fillfactor);
