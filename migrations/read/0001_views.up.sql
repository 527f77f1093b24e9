-- What the projector owns and query-api reads: views built from events, and nothing that could not be built again.
-- Each table starts with the projection's version, so that a rebuild fills version n+1 while n serves.
GRANT USAGE ON SCHEMA read TO depot_projector, depot_query;
ALTER DEFAULT PRIVILEGES IN SCHEMA read GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO depot_projector;
ALTER DEFAULT PRIVILEGES IN SCHEMA read GRANT SELECT ON TABLES TO depot_query;

-- The pointer: which version of the views serves.
CREATE TABLE read.active_projection (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    projection integer NOT NULL
);
INSERT INTO read.active_projection (projection) VALUES (1);

-- Where each version of the views stands in the log; moved in the transaction that writes the rows.
CREATE TABLE read.offsets (
    projection  integer NOT NULL,
    topic       text    NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint  NOT NULL,
    PRIMARY KEY (projection, topic, partition)
);

CREATE TABLE read.items (
    projection  integer     NOT NULL,
    id          uuid        NOT NULL,
    owner       text        NOT NULL,
    name        text        COLLATE "C" NOT NULL,
    description text        NOT NULL,
    tags        text[]      NOT NULL,
    attributes  jsonb       NOT NULL,
    status      text        NOT NULL,
    -- [{upload_id, file_name, content_type, size_bytes, sha256}]
    files       jsonb       NOT NULL,
    epoch       integer     NOT NULL,
    version     bigint      NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    -- A deleted item's row stays as its tombstone.
    deleted     boolean     NOT NULL,
    search      tsvector GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, name || ' ' || description)) STORED,
    PRIMARY KEY (projection, id)
);
-- Lists: keyset pages by (sort key, id), narrowed by owner or status where given.
CREATE INDEX items_by_created ON read.items (projection, created_at, id) WHERE NOT deleted;
CREATE INDEX items_by_updated ON read.items (projection, updated_at, id) WHERE NOT deleted;
CREATE INDEX items_by_name ON read.items (projection, name, id) WHERE NOT deleted;
CREATE INDEX items_by_owner ON read.items (projection, owner, created_at, id) WHERE NOT deleted;
CREATE INDEX items_by_status ON read.items (projection, status, created_at, id) WHERE NOT deleted;
CREATE INDEX items_by_tag ON read.items USING gin (tags) WHERE NOT deleted;
CREATE INDEX items_by_text ON read.items USING gin (search) WHERE NOT deleted;

-- Who changed what, when, to which version; one row for each version of each item.
CREATE TABLE read.item_history (
    projection   integer     NOT NULL,
    item_id      uuid        NOT NULL,
    epoch        integer     NOT NULL,
    version      bigint      NOT NULL,
    event_id     uuid        NOT NULL,
    event_type   text        NOT NULL,
    causation_id uuid        NOT NULL,
    actor        text        NOT NULL,
    changed      text[]      NOT NULL,
    -- The item after the change, as in the event.
    item         jsonb       NOT NULL,
    occurred_at  timestamptz NOT NULL,
    -- Where the event lies in the log: streams resume by it.
    topic        text        NOT NULL,
    partition    integer     NOT NULL,
    "offset"     bigint      NOT NULL,
    PRIMARY KEY (projection, item_id, epoch, version)
);
CREATE INDEX item_history_by_position ON read.item_history (projection, topic, partition, "offset");

CREATE TABLE read.uploads (
    projection   integer     NOT NULL,
    id           uuid        NOT NULL,
    item_id      uuid        NOT NULL,
    owner        text        NOT NULL,
    file_name    text        NOT NULL,
    content_type text        NOT NULL,
    size_bytes   bigint      NOT NULL,
    sha256       text        NOT NULL,
    status       text        NOT NULL,
    reason       text,
    object_key   text,
    epoch        integer     NOT NULL,
    version      bigint      NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (projection, id)
);
CREATE INDEX uploads_by_item ON read.uploads (projection, item_id, created_at, id);

-- Statistics over items that are not deleted. Changed only from old row to new row of read.items.
CREATE TABLE read.tag_statistics (
    projection integer NOT NULL,
    tag        text    NOT NULL,
    items      bigint  NOT NULL,
    PRIMARY KEY (projection, tag)
);
CREATE TABLE read.owner_statistics (
    projection integer NOT NULL,
    owner      text    NOT NULL,
    items      bigint  NOT NULL,
    files      bigint  NOT NULL,
    file_bytes bigint  NOT NULL,
    PRIMARY KEY (projection, owner)
);

-- Ids whose new rows Redis has not confirmed yet; drained first at start. A row goes only for the version that it
-- names (or an older one), so that a late confirmation does not remove what a newer change noted.
CREATE TABLE read.pending_cache (
    projection integer     NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('item', 'upload')),
    id         uuid        NOT NULL,
    epoch      integer     NOT NULL,
    version    bigint      NOT NULL,
    noted_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (projection, kind, id)
);

-- Part of every Redis key; raised when Redis was unreachable, so that what it still holds is never read again. It is
-- also raised when the server is another one than before: a restarted Redis may have gone back to an older snapshot.
CREATE TABLE read.cache_generation (
    singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    generation   bigint  NOT NULL DEFAULT 1,
    -- INFO's run_id of the server that the generation holds for.
    redis_run_id text
);
INSERT INTO read.cache_generation DEFAULT VALUES;
