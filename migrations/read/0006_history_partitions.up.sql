-- The history of items by ranges of `occurred_at`, the event's own time: it is the same in every repeat of an event, so
-- that a repeat comes to the partition in which its first copy lies.
--
-- Takes an exclusive lock on the history for as long as some changes of the catalogue take, since 0005 has shown that
-- what is there lies before the bound. Statements of older programs go on working: the columns and the name are the same,
-- and ON CONFLICT DO NOTHING meets each partition's own primary key.
SET LOCAL lock_timeout = '5s';

-- Where the history begins by now; moved by item_history_drop_partition() only.
CREATE TABLE read.item_history_kept (
    singleton boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    -- What is dated before is gone, or is about to be: nobody writes it any more, and nobody reads it.
    kept_from timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO read.item_history_kept DEFAULT VALUES;
REVOKE INSERT, UPDATE, DELETE ON read.item_history_kept FROM depot_projector;

-- The same by places in the log, for streams: of the changes before `first_offset` some are gone. No row: none is.
CREATE TABLE read.item_history_floors (
    projection   integer NOT NULL,
    topic        text    NOT NULL,
    partition    integer NOT NULL,
    first_offset bigint  NOT NULL,
    PRIMARY KEY (projection, topic, partition)
);

ALTER TABLE read.item_history RENAME TO item_history_first;
ALTER TABLE read.item_history_first RENAME CONSTRAINT item_history_pkey TO item_history_first_pkey;
ALTER INDEX read.item_history_by_position RENAME TO item_history_first_by_position;

CREATE TABLE read.item_history (LIKE read.item_history_first INCLUDING DEFAULTS) PARTITION BY RANGE (occurred_at);
COMMENT ON TABLE read.item_history IS 'Each partition has a primary key (projection, item_id, epoch, version).';
CREATE INDEX item_history_by_position ON read.item_history (projection, topic, partition, "offset");
-- While it is the only one nothing has to be looked for in it.
ALTER TABLE read.item_history ATTACH PARTITION read.item_history_default DEFAULT;
DO $$
BEGIN
    EXECUTE (SELECT format('ALTER TABLE read.item_history ATTACH PARTITION read.%I FOR VALUES FROM (MINVALUE) TO (%L)',
                           name, to_at)
             FROM read.item_history_partitions WHERE name = 'item_history_first');
END $$;
ALTER TABLE read.item_history_first DROP CONSTRAINT item_history_first;

-- Partitions are read and written by way of their parent.
REVOKE ALL ON read.item_history_first, read.item_history_default FROM depot_projector, depot_query;
GRANT SELECT, DELETE ON read.item_history_default TO depot_projector;

-- Adds partitions of `days` days each, from the end of the newest on, until `ahead` of them lie wholly in the future, at
-- most ten in one call; answers how many were added, 0 too when another projector is at it. What the default partition
-- holds of a new one's range is moved into it.
--
-- For the instant that it takes, the table is locked against writers, and the default partition, which attaching looks
-- into, against readers; it gives up after `lock_timeout` (55P03: try again). Attaching alone would lock out no writer, but
-- one that has chosen the default partition by then would be told that its row violates a constraint.
CREATE FUNCTION read.item_history_add_partitions(days integer, ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, read, pg_temp SET timezone = 'UTC'
SET lock_timeout = '500ms' AS $$
DECLARE
    from_time timestamptz;
    to_time   timestamptz;
    added     integer := 0;
    part      text;
BEGIN
    IF days < 1 OR ahead < 1 THEN
        RAISE EXCEPTION 'item_history_add_partitions(%, %): both must be positive', days, ahead;
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtextextended('depot read.item_history', 0)) THEN
        RETURN 0;
    END IF;
    SELECT max(to_at) INTO from_time FROM read.item_history_partitions;
    WHILE added < 10
        AND (SELECT count(*) FROM read.item_history_partitions WHERE from_at > clock_timestamp()) < ahead
    LOOP
        to_time := from_time + make_interval(days => days);
        part := format('item_history_p%s', to_char(from_time, 'YYYYMMDD'));
        EXECUTE format('CREATE TABLE read.%I (LIKE read.item_history INCLUDING DEFAULTS,
                            PRIMARY KEY (projection, item_id, epoch, version))', part);
        -- The schema's default privileges are for tables that the services use by their own names.
        EXECUTE format('REVOKE ALL ON read.%I FROM depot_projector, depot_query', part);
        LOCK TABLE ONLY read.item_history IN SHARE ROW EXCLUSIVE MODE;
        LOCK TABLE ONLY read.item_history_default IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('WITH moved AS (
                            DELETE FROM read.item_history_default WHERE occurred_at >= %L AND occurred_at < %L RETURNING *
                        ) INSERT INTO read.%I SELECT * FROM moved', from_time, to_time, part);
        EXECUTE format('ALTER TABLE read.item_history ATTACH PARTITION read.%I FOR VALUES FROM (%L) TO (%L)',
                       part, from_time, to_time);
        INSERT INTO read.item_history_partitions (name, from_at, to_at) VALUES (part, from_time, to_time);
        from_time := to_time;
        added := added + 1;
    END LOOP;
    RETURN added;
END $$;

-- Drops the oldest partition if all of it is older than `keep_days` days, and says what it did: 'dropped', 'kept' (nothing
-- is that old), or 'busy' (another projector is at it, or the lock was not had in time; try again later).
--
-- A writer or reader of the history holds a lock to its end, so each sees all of the partition, or, in the snapshot that
-- it takes once it has its lock, `kept_from` and the floors as they are without it.
CREATE FUNCTION read.item_history_drop_partition(keep_days integer) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, read, pg_temp SET timezone = 'UTC'
SET lock_timeout = '100ms' AS $$
DECLARE
    oldest read.item_history_partitions%ROWTYPE;
BEGIN
    IF keep_days < 1 THEN
        RAISE EXCEPTION 'item_history_drop_partition(%): at least a day is kept', keep_days;
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtextextended('depot read.item_history', 0)) THEN
        RETURN 'busy';
    END IF;
    SELECT * INTO oldest FROM read.item_history_partitions
    WHERE to_at <= clock_timestamp() - make_interval(days => keep_days)
    ORDER BY from_at LIMIT 1;
    -- The newest one stays, since the next begins at its end.
    IF NOT FOUND OR oldest.to_at = (SELECT max(to_at) FROM read.item_history_partitions) THEN
        RETURN 'kept';
    END IF;
    BEGIN
        LOCK TABLE ONLY read.item_history IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('LOCK TABLE ONLY read.%I, ONLY read.item_history_default IN ACCESS EXCLUSIVE MODE', oldest.name);
    EXCEPTION WHEN lock_not_available THEN
        RETURN 'busy';
    END;
    -- One probe of an index for each partition of the log, however many rows there are.
    EXECUTE format(
        'INSERT INTO read.item_history_floors AS f (projection, topic, partition, first_offset)
         SELECT o.projection, o.topic, o.partition, newest."offset" + 1
         FROM read.offsets o CROSS JOIN LATERAL (
             SELECT h."offset" FROM read.%I h
             WHERE h.projection = o.projection AND h.topic = o.topic AND h.partition = o.partition
             ORDER BY h."offset" DESC LIMIT 1
         ) newest
         ON CONFLICT (projection, topic, partition)
         DO UPDATE SET first_offset = greatest(f.first_offset, EXCLUDED.first_offset)', oldest.name);
    UPDATE read.item_history_kept SET kept_from = greatest(kept_from, oldest.to_at);
    EXECUTE format('DROP TABLE read.%I', oldest.name);
    DELETE FROM read.item_history_partitions WHERE name = oldest.name;
    RETURN 'dropped';
END $$;

REVOKE ALL ON FUNCTION read.item_history_add_partitions(integer, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION read.item_history_drop_partition(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION read.item_history_add_partitions(integer, integer) TO depot_projector;
GRANT EXECUTE ON FUNCTION read.item_history_drop_partition(integer) TO depot_projector;

SELECT read.item_history_add_partitions(90, 2);
