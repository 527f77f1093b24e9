-- What command-api owns: the state that commands decide on.
-- The schema itself is made by `depot migrate`, which keeps its list of migrations in it.
GRANT USAGE ON SCHEMA command TO depot_command;
-- Tables of later migrations, and partitions made at run time, are the service's to use as well.
ALTER DEFAULT PRIVILEGES IN SCHEMA command GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO depot_command;
ALTER DEFAULT PRIVILEGES IN SCHEMA command GRANT USAGE ON SEQUENCES TO depot_command;

-- How often this database was set back to an earlier point; part of every version token and event.
CREATE TABLE command.restore_epoch (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    epoch     integer NOT NULL DEFAULT 0
);
INSERT INTO command.restore_epoch DEFAULT VALUES;
REVOKE INSERT, UPDATE, DELETE ON command.restore_epoch FROM depot_command;

CREATE TABLE command.items (
    id          uuid PRIMARY KEY,
    owner       text        NOT NULL,
    name        text        NOT NULL,
    description text        NOT NULL,
    tags        text[]      NOT NULL,
    attributes  jsonb       NOT NULL,
    status      text        NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
    -- [{upload_id, file_name, content_type, size_bytes, sha256}], in the order of attaching
    files       jsonb       NOT NULL DEFAULT '[]',
    version     bigint      NOT NULL CHECK (version > 0),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    -- The row of a deleted item stays, so that its version goes on and its id is never used again.
    deleted     boolean     NOT NULL DEFAULT false
);

-- Bytes each owner may store, has attached, and has reserved for open uploads.
CREATE TABLE command.storage_accounts (
    owner          text   PRIMARY KEY,
    limit_bytes    bigint NOT NULL CHECK (limit_bytes >= 0),
    used_bytes     bigint NOT NULL DEFAULT 0 CHECK (used_bytes >= 0),
    reserved_bytes bigint NOT NULL DEFAULT 0 CHECK (reserved_bytes >= 0)
);

CREATE TABLE command.uploads (
    id           uuid PRIMARY KEY,
    item_id      uuid        NOT NULL REFERENCES command.items (id),
    owner        text        NOT NULL,
    file_name    text        NOT NULL,
    content_type text        NOT NULL,
    size_bytes   bigint      NOT NULL CHECK (size_bytes > 0),
    sha256       text        NOT NULL,
    status       text        NOT NULL
        CHECK (status IN ('pending', 'received', 'stored', 'rejected', 'expired', 'aborted', 'removed')),
    reason       text,
    object_key   text,
    version      bigint      NOT NULL CHECK (version > 0),
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
-- A deleted item's uploads are looked up by the item.
CREATE INDEX uploads_by_item ON command.uploads (item_id);

-- State of the process managers, one row a saga: for uploads, saga_id is the upload's id.
CREATE TABLE command.sagas (
    saga       text        NOT NULL,
    saga_id    uuid        NOT NULL,
    state      text        NOT NULL CHECK (state IN ('running', 'compensating', 'completed', 'compensated', 'stuck')),
    -- What it is doing or waiting for, one of the steps that the saga declares.
    step       text        NOT NULL,
    -- When it does something by itself, by this database's clock; none while it waits for others only.
    deadline   timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (saga, saga_id)
);
CREATE INDEX sagas_due ON command.sagas (deadline) WHERE deadline IS NOT NULL;

-- Answers kept for repeats of the same request. The row goes in first, in the command's transaction.
CREATE TABLE command.idempotency_keys (
    principal   text        NOT NULL,
    -- Method and route template, for example `POST /api/v1/items`.
    route       text        NOT NULL,
    key         text        NOT NULL,
    -- SHA-256 of method, path, If-Match and body.
    fingerprint bytea       NOT NULL,
    -- The answer; none only while the transaction that inserted the row is open, so never seen by others.
    status      smallint,
    headers     jsonb,
    body        bytea,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (principal, route, key)
);
CREATE INDEX idempotency_keys_by_expiry ON command.idempotency_keys (expires_at);

-- What administrators did. Written with the action, never changed.
CREATE TABLE command.audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    actor   text        NOT NULL,
    action  text        NOT NULL,
    subject text        NOT NULL,
    detail  jsonb       NOT NULL DEFAULT '{}'
);
REVOKE UPDATE, DELETE ON command.audit FROM depot_command;
