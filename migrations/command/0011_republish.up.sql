-- The state told to the log once more, by snapshots of every item and upload: the run that is under way, or the last one.
-- One row, as of the sweep's lease: one run at a time, by one process at a time, which goes on where another one ended.
CREATE TABLE command.republish (
    singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    -- None before the first run.
    run_id       uuid,
    -- asked: by an administrator. log_lost, restored: by the owner of the database, who brought the services back.
    reason       text CHECK (reason IN ('asked', 'log_lost', 'restored')),
    requested_by text,
    requested_at timestamptz,
    -- lost: what the log has and the state has not, after the database was set back.
    stage        text   NOT NULL DEFAULT 'done' CHECK (stage IN ('items', 'uploads', 'lost', 'done')),
    -- Up to here all of the stage is told.
    after_id     uuid   NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    items        bigint NOT NULL DEFAULT 0,
    uploads      bigint NOT NULL DEFAULT 0,
    lost         bigint NOT NULL DEFAULT 0,
    finished_at  timestamptz,
    holder       uuid,
    expires_at   timestamptz,
    CHECK ((holder IS NULL) = (expires_at IS NULL))
);
INSERT INTO command.republish DEFAULT VALUES;
REVOKE INSERT, DELETE ON command.republish FROM depot_command;

-- What was acknowledged, is in the log, and went with the state when the database was set back; found by reading the log.
-- Each was told to be gone, once in an epoch. Kept for the person who tells the owners.
CREATE TABLE command.lost_aggregates (
    entity       text        NOT NULL CHECK (entity IN ('items', 'uploads')),
    id           uuid        NOT NULL,
    -- In which it was told to be gone.
    epoch        integer     NOT NULL,
    owner        text        NOT NULL,
    -- The event by which it was found: when that happened, and the version that it told.
    occurred_at  timestamptz NOT NULL,
    seen_version text        NOT NULL,
    noted_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (entity, id, epoch)
);
REVOKE UPDATE, DELETE ON command.lost_aggregates FROM depot_command;
