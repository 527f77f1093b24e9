-- The outbox of schema `command`. The file of the other schema differs from this one in the schema's name only.
--
-- Rows are inserted by the transaction that changes the aggregate, and never touched again. A shard's `position` is the snapshot
-- whose visible rows have all been acknowledged by Kafka; what is visible now and was not visible then is what is
-- still to be published. Whole partitions are dropped once every shard's position sees all their rows.

CREATE SEQUENCE command.outbox_id_seq AS bigint CACHE 1;

CREATE TABLE command.outbox (
    id                bigint      NOT NULL DEFAULT nextval('command.outbox_id_seq'),
    -- The transaction that inserted the row. The system column xmin has 32 bits and wraps, this has 64.
    xid               bigint      NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    occurred_at       timestamptz NOT NULL,
    aggregate_version bigint      NOT NULL,
    aggregate_id      uuid        NOT NULL,
    event_id          uuid        NOT NULL,
    -- depot_outbox::shard_of(aggregate_id): a constant of the schema, never configuration.
    shard             smallint    NOT NULL CHECK (shard BETWEEN 0 AND 63),
    topic             text        NOT NULL,
    event_type        text        NOT NULL,
    -- The message's headers, one a line: `name=value`, or `name` alone where the value follows from the columns.
    headers           text        NOT NULL,
    -- The message's value, byte for byte.
    payload           bytea       NOT NULL
) PARTITION BY RANGE (id);

-- Finds what is new: rows of transactions that a position does not see.
CREATE INDEX outbox_unread ON command.outbox (shard, xid, id);
-- Works off a backlog page by page, each at the cost of the page; `xid` is in it so that published rows are passed
-- over without being fetched. On expressions, so that only a statement that says the same is planned with it: what
-- the statistics of a partition say when a plan is made, empty, would not tell the two indexes apart, and the wrong
-- one costs a pass over the partition for each shard.
CREATE INDEX outbox_backlog ON command.outbox ((shard + 0), (id + 0), (xid + 0));

CREATE TABLE command.outbox_shards (
    shard              smallint    PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
    holder             uuid,
    -- Raised by each change of holder. Every write of a relay names its epoch in the same statement.
    epoch              bigint      NOT NULL DEFAULT 0,
    expires_at         timestamptz,
    position           pg_snapshot NOT NULL DEFAULT '1:1:',
    -- While a set larger than a page is being published: the set (visible here, not in `position`), and the id up to
    -- which it has been acknowledged.
    page_target        pg_snapshot,
    page_after_id      bigint,
    CHECK ((page_target IS NULL) = (page_after_id IS NULL))
) WITH (fillfactor = 30);
INSERT INTO command.outbox_shards (shard) SELECT generate_series(0, 63);

-- The running relays, so that shards are dealt fairly.
CREATE TABLE command.outbox_relays (
    id         uuid        PRIMARY KEY,
    instance   text        NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Aggregates of which Kafka refused a row for good, and their rows from that one on, until they are resumed.
CREATE TABLE command.outbox_parked_aggregates (
    aggregate_id     uuid        PRIMARY KEY,
    shard            smallint    NOT NULL,
    parked_at        timestamptz NOT NULL DEFAULT now(),
    reason           text        NOT NULL,
    resume_requested boolean     NOT NULL DEFAULT false
);
CREATE TABLE command.outbox_parked (
    id                bigint      NOT NULL,
    occurred_at       timestamptz NOT NULL,
    aggregate_version bigint      NOT NULL,
    aggregate_id      uuid        NOT NULL,
    event_id          uuid        NOT NULL,
    shard             smallint    NOT NULL,
    topic             text        NOT NULL,
    event_type        text        NOT NULL,
    headers           text        NOT NULL,
    payload           bytea       NOT NULL,
    PRIMARY KEY (aggregate_id, aggregate_version, id)
);

-- Transaction ids mean nothing in another cluster: after a dump and restore the relay refuses to start until
-- outbox_rebase() has been called.
CREATE TABLE command.outbox_origin (
    only_row          boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    system_identifier bigint  NOT NULL
);
INSERT INTO command.outbox_origin (system_identifier) SELECT system_identifier FROM pg_control_system();

-- The partitions that are there; written by the functions below only, which run with the rights of the owner of
-- these tables: the service itself may neither change a row nor make or drop a table.
CREATE TABLE command.outbox_partitions (
    name    text   PRIMARY KEY,
    from_id bigint NOT NULL UNIQUE,
    to_id   bigint NOT NULL UNIQUE CHECK (to_id > from_id)
);

-- Adds partitions of `range_size` ids each until `ahead` of them lie wholly beyond the newest id. Inserts go on:
-- ATTACH takes no lock on the parent that they would wait for. Answers how many were added; 0 too when another
-- relay is at it.
CREATE FUNCTION command.outbox_add_partitions(range_size bigint, ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, command, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    newest    bigint;
    next_from bigint;
    added     integer := 0;
    part      text;
BEGIN
    IF range_size < 1 OR ahead < 1 THEN
        RAISE EXCEPTION 'outbox_add_partitions(%, %): both must be positive', range_size, ahead;
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtextextended('depot_outbox.command', 0)) THEN
        RETURN 0;
    END IF;
    SELECT last_value INTO newest FROM command.outbox_id_seq;
    SELECT coalesce(max(to_id), 1) INTO next_from FROM command.outbox_partitions;
    WHILE next_from <= newest
        OR (SELECT count(*) FROM command.outbox_partitions WHERE from_id > newest) < ahead
    LOOP
        part := format('outbox_p%s', lpad(next_from::text, 15, '0'));
        EXECUTE format('CREATE TABLE command.%I (LIKE command.outbox INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
        EXECUTE format('ALTER TABLE command.outbox ATTACH PARTITION command.%I FOR VALUES FROM (%s) TO (%s)',
                       part, next_from, next_from + range_size);
        -- The schema's default privileges are for tables that the service may write as it likes.
        EXECUTE format('REVOKE ALL ON command.%I FROM depot_command', part);
        INSERT INTO command.outbox_partitions (name, from_id, to_id) VALUES (part, next_from, next_from + range_size);
        next_from := next_from + range_size;
        added := added + 1;
    END LOOP;
    RETURN added;
END $$;

-- Whether a partition holds a row that some shard's position does not see. Two index probes a shard.
CREATE FUNCTION command.outbox_partition_unread(part text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, command, pg_temp AS $$
DECLARE
    unread boolean;
BEGIN
    EXECUTE format(
        'SELECT EXISTS (SELECT FROM command.outbox_shards s WHERE
             EXISTS (SELECT FROM command.%1$I o
                     WHERE o.shard = s.shard AND o.xid >= pg_snapshot_xmax(s.position)::text::bigint)
          OR EXISTS (SELECT FROM pg_snapshot_xip(s.position) AS running(xid)
                     JOIN command.%1$I o ON o.shard = s.shard AND o.xid = running.xid::text::bigint))', part)
        INTO unread;
    RETURN unread;
END $$;

-- Drops the partition `part` if nothing in it is still to be published, and says what it did: 'dropped', 'current'
-- (ids in its range may still be drawn), 'unread', or 'busy' (the lock was not had in time; try again later).
--
-- The exclusive lock comes first and the check after it: a writer that is open holds its lock to its end, so its
-- row is either committed before the check, which then sees it, or the lock is not had. Checking first and
-- locking then would drop the row of a writer that commits in between.
CREATE FUNCTION command.outbox_drop_partition(part text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, command, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE
    known command.outbox_partitions%ROWTYPE;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- Each statement needs a snapshot of its own, taken after the lock.
        RAISE EXCEPTION 'outbox_drop_partition needs a READ COMMITTED transaction';
    END IF;
    SELECT * INTO known FROM command.outbox_partitions WHERE name = part;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'outbox_drop_partition(%): no such partition', part;
    END IF;
    IF known.to_id > (SELECT last_value FROM command.outbox_id_seq) THEN
        RETURN 'current';
    END IF;
    -- Not to stop the writers in vain.
    IF command.outbox_partition_unread(part) THEN
        RETURN 'unread';
    END IF;
    BEGIN
        LOCK TABLE ONLY command.outbox IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('LOCK TABLE ONLY command.%I IN ACCESS EXCLUSIVE MODE', part);
    EXCEPTION WHEN lock_not_available THEN
        RETURN 'busy';
    END;
    IF command.outbox_partition_unread(part) THEN
        RETURN 'unread';
    END IF;
    EXECUTE format('DROP TABLE command.%I', part);
    DELETE FROM command.outbox_partitions WHERE name = part;
    RETURN 'dropped';
END $$;

-- To be called once by the owner of the tables after the schema was restored into another cluster, before the services start:
-- publishes everything that the outbox still holds again (same ids, same bytes), since what the old transaction
-- ids said about it is lost.
CREATE FUNCTION command.outbox_rebase() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, command, pg_temp AS $$
BEGIN
    UPDATE command.outbox SET xid = pg_current_xact_id()::text::bigint;
    UPDATE command.outbox_shards SET position = '1:1:', page_target = NULL, page_after_id = NULL,
        holder = NULL, expires_at = NULL, epoch = epoch + 1;
    UPDATE command.outbox_origin SET system_identifier = (SELECT system_identifier FROM pg_control_system());
END $$;

SELECT command.outbox_add_partitions(1000000, 4);

REVOKE ALL ON FUNCTION command.outbox_add_partitions(bigint, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION command.outbox_partition_unread(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION command.outbox_drop_partition(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION command.outbox_rebase() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION command.outbox_add_partitions(bigint, integer) TO depot_command;
GRANT EXECUTE ON FUNCTION command.outbox_drop_partition(text) TO depot_command;
REVOKE ALL ON command.outbox, command.outbox_shards, command.outbox_relays, command.outbox_parked_aggregates,
    command.outbox_parked, command.outbox_origin, command.outbox_partitions FROM depot_command;
GRANT USAGE, SELECT ON SEQUENCE command.outbox_id_seq TO depot_command;
-- Not `id` and `xid`: both are drawn by the insert itself, so after the version that it carries.
GRANT INSERT (occurred_at, aggregate_version, aggregate_id, event_id, shard, topic, event_type, headers, payload)
    ON command.outbox TO depot_command;
GRANT SELECT ON command.outbox TO depot_command;
GRANT SELECT, UPDATE ON command.outbox_shards TO depot_command;
GRANT SELECT, INSERT, UPDATE, DELETE ON command.outbox_relays TO depot_command;
GRANT SELECT, INSERT, UPDATE, DELETE ON command.outbox_parked_aggregates TO depot_command;
GRANT SELECT, INSERT, DELETE ON command.outbox_parked TO depot_command;
GRANT SELECT ON command.outbox_origin, command.outbox_partitions TO depot_command;
