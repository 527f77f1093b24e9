-- First of three steps that make `read.item_history` a partitioned table without copying it, and without a lock that
-- lasts as long as the table is large. What is there becomes the first partition, so a bound is needed up to which it
-- reaches, and that newer rows are known to keep: `item_history_first` says so to every row from now on (a lock for an
-- instant, nothing is read), 0005 has what is there checked beside the writers, and 0006 attaches it without reading it.
--
-- The bound is the beginning of the month after the next one. Until 0006 has been applied an event that is dated behind
-- it is refused, and ends in the dead letters: apply all three in one go, as `depot migrate` does.
SET LOCAL lock_timeout = '5s';

-- The partitions that are there, but for the default one; written by the migrations and functions of this schema only.
CREATE TABLE read.item_history_partitions (
    name    text        PRIMARY KEY,
    -- Of `occurred_at`: from this time on, '-infinity' in the first partition,
    from_at timestamptz NOT NULL UNIQUE,
    -- and before this one.
    to_at   timestamptz NOT NULL UNIQUE CHECK (to_at > from_at)
);
REVOKE INSERT, UPDATE, DELETE ON read.item_history_partitions FROM depot_projector;

-- What is dated outside of all partitions.
CREATE TABLE read.item_history_default (
    LIKE read.item_history INCLUDING DEFAULTS,
    PRIMARY KEY (projection, item_id, epoch, version)
);

DO $$
DECLARE
    bound timestamptz := (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months') AT TIME ZONE 'UTC';
BEGIN
    INSERT INTO read.item_history_partitions (name, from_at, to_at) VALUES ('item_history_first', '-infinity', bound);
    EXECUTE format('ALTER TABLE read.item_history ADD CONSTRAINT item_history_first CHECK (occurred_at < %L) NOT VALID',
                   bound);
END $$;
