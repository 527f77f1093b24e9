-- The state of declared aggregates, of all kinds. What a kind has itself is in `state`: the program declares it, and no migration
-- is needed for another one.
CREATE TABLE command.declared_aggregates (
    -- As it is declared, for example `order`.
    kind       text        NOT NULL,
    id         uuid        NOT NULL,
    owner      text        NOT NULL,
    state      jsonb       NOT NULL CHECK (jsonb_typeof(state) = 'object'),
    version    bigint      NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (kind, id)
);
-- None ends: what is over has a state that says so.
REVOKE DELETE ON command.declared_aggregates FROM depot_command;
