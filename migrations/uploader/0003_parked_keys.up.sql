-- What waits in the retry topics: one row a message, named by where it was read first. A key is parked as long as one
-- of its messages has a row; messages that come of it meanwhile get rows too, and follow it.
CREATE TABLE uploader.parked_keys (
    consumer_group text        NOT NULL,
    key            bytea       NOT NULL,
    -- The source, not the retry topic. All messages of a key come from one partition, so that its rows in this order
    -- are in the order of the log.
    topic          text        NOT NULL,
    partition      integer     NOT NULL,
    "offset"       bigint      NOT NULL,
    -- The retry topic where its copy is or is about to be, from 0.
    tier           smallint    NOT NULL CHECK (tier >= 0),
    not_before     timestamptz NOT NULL,
    parked_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, key, topic, partition, "offset")
);

-- Who reads a partition, source or retry: every write to parked_keys names it in the same statement, so that what a
-- process writes that was stopped and has lost the partition matches no row.
CREATE TABLE uploader.retry_tenures (
    consumer_group text    NOT NULL,
    topic          text    NOT NULL,
    partition      integer NOT NULL,
    tenure         uuid    NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)
);
