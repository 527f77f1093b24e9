-- The versions of the views that there are, and what became of each: registered, compared, switched to, dropped. The pointer
-- stays `read.active_projection`, which readers take in the statement that reads; `state` is changed with it, in one transaction.
SET LOCAL lock_timeout = '5s';

CREATE TABLE read.projections (
    -- Never given a second time: keys of Redis, tags and the consumer group carry it.
    projection   integer     PRIMARY KEY CHECK (projection >= 1),
    -- Which program feeds it: the one that writes rows of this shape.
    shape        integer     NOT NULL,
    -- building: fed, and never served. standby: fed, and served before. dropping: not fed, and its rows are being removed.
    -- dropped: nothing is left but this row.
    state        text        NOT NULL CHECK (state IN ('building', 'serving', 'standby', 'dropping', 'dropped')),
    -- Whether it passes by events that it cannot apply, where the one that serves has applied them.
    skips_poison boolean     NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- When it came to serve, and when it ceased to, the last time each.
    served_from  timestamptz,
    served_to    timestamptz,
    -- When it was last compared with the one that served, and in how many rows the two differed.
    compared_at  timestamptz,
    differences  bigint
);
CREATE UNIQUE INDEX projections_serving ON read.projections (state) WHERE state = 'serving';
REVOKE DELETE ON read.projections FROM depot_projector;

-- What fed rows before this is registered: the one that serves, and others that somebody has fed by hand.
INSERT INTO read.projections (projection, shape, state, served_from)
SELECT p.projection, 1, CASE WHEN p.projection = a.projection THEN 'serving' ELSE 'building' END,
       CASE WHEN p.projection = a.projection THEN now() END
FROM (SELECT projection FROM read.active_projection UNION SELECT projection FROM read.offsets) p
CROSS JOIN read.active_projection a;

-- Who did what to which, as it was asked for. Rows are added, and neither changed nor removed.
CREATE TABLE read.projection_changes (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The subject of the token.
    actor      text        NOT NULL,
    action     text        NOT NULL,
    projection integer     NOT NULL,
    detail     jsonb       NOT NULL
);
REVOKE UPDATE, DELETE ON read.projection_changes FROM depot_projector;

-- Events that a version of the views could not apply.
CREATE TABLE read.given_up (
    projection   integer     NOT NULL,
    topic        text        NOT NULL,
    partition    integer     NOT NULL,
    "offset"     bigint      NOT NULL,
    reason_class text        NOT NULL,
    message      text        NOT NULL,
    -- False while its partition stands before it.
    passed       boolean     NOT NULL,
    noted_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (projection, topic, partition, "offset")
);

-- No transaction moves the offset past this one until then: for a comparison at equal offsets. One whose end has passed holds
-- nothing, so that nobody has to remove it.
ALTER TABLE read.offsets ADD COLUMN hold_at bigint, ADD COLUMN held_until timestamptz;
