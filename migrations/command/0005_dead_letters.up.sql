-- The index of the dead letters of all groups. The letters themselves stay in their topics; a row is made from a
-- letter's headers, so that the table can be made again by reading those topics from the start.
CREATE TABLE command.dead_letters (
    -- Which group could not handle what lay where: a letter that was written twice is one row.
    consumer_group  text        NOT NULL,
    topic           text        NOT NULL,
    partition       integer     NOT NULL,
    "offset"        bigint      NOT NULL,
    key             bytea,
    reason          text        NOT NULL,
    detail          text        NOT NULL,
    -- How often it was given up.
    attempts        integer     NOT NULL,
    first_failed_at timestamptz NOT NULL,
    failed_at       timestamptz NOT NULL,
    -- Where the newest letter lies.
    dlq_topic       text        NOT NULL,
    dlq_partition   integer     NOT NULL,
    dlq_offset      bigint      NOT NULL,
    state           text        NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'redriving', 'redriven', 'discarded')),
    -- While it is being redriven: not before this moment, by the rate that was asked for.
    due_at          timestamptz CHECK ((due_at IS NOT NULL) = (state = 'redriving')),
    changed_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, topic, partition, "offset")
);
-- Pages of the list, with and without a state.
CREATE INDEX dead_letters_by_time ON command.dead_letters (failed_at, consumer_group, topic, partition, "offset");
CREATE INDEX dead_letters_by_state
    ON command.dead_letters (state, failed_at, consumer_group, topic, partition, "offset");
CREATE INDEX dead_letters_by_key ON command.dead_letters (key, failed_at);
-- What the redriver takes next, and what of a key goes before it.
CREATE INDEX dead_letters_due ON command.dead_letters (due_at) WHERE state = 'redriving';
CREATE INDEX dead_letters_redriving
    ON command.dead_letters (consumer_group, topic, partition, key, "offset") WHERE state = 'redriving';
