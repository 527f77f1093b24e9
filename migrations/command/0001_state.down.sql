DROP TABLE command.audit, command.idempotency_keys, command.sagas, command.uploads, command.storage_accounts,
    command.items, command.restore_epoch;
ALTER DEFAULT PRIVILEGES IN SCHEMA command REVOKE ALL ON TABLES FROM depot_command;
ALTER DEFAULT PRIVILEGES IN SCHEMA command REVOKE ALL ON SEQUENCES FROM depot_command;
REVOKE USAGE ON SCHEMA command FROM depot_command;
