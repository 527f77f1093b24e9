-- The view of declared aggregates, of all kinds.
CREATE TABLE read.declared_aggregates (
    projection integer     NOT NULL,
    kind       text        NOT NULL,
    id         uuid        NOT NULL,
    owner      text        NOT NULL,
    state      jsonb       NOT NULL,
    epoch      integer     NOT NULL,
    version    bigint      NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (projection, kind, id)
);
-- Lists: an owner's own, by keyset pages.
CREATE INDEX declared_aggregates_by_owner ON read.declared_aggregates (projection, kind, owner, created_at, id);
