#!/usr/bin/env python3
"""Compares the two right ways of letting go of outbox rows, in alternation: see docs/decisions/0001.

    outbox_methods.py OWNER_URL SECONDS ROUNDS

(a) the acknowledged rows are deleted by id; a poll begins behind a floor in memory, and each second one begins at the
start, for rows that committed late. (b) the project's own: rows are never touched, and a position is a snapshot. One
relay has all 64 shards, a poll is one statement, and Kafka answers at once. Four writers insert as fast as they can, a
row a transaction. With `held`, a transaction that has an id and a snapshot stays open over the whole round. OWNER_URL
names a migrated database that nobody else uses; it wants psycopg.

Prints what was written and let go a second; of the polls the median, and the median of their first and last tenth, in
milliseconds; and the same of (a)'s scans from the start.
"""

import os
import statistics
import sys
import threading
import time
import uuid

import psycopg

URL, SECONDS, ROUNDS = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.join(HERE, "..")
WRITERS, PAGE, PAYLOAD, SCAN_EVERY = 4, 500, b"x" * 300, 1.0
COLUMNS = "occurred_at, aggregate_version, aggregate_id, event_id, shard, topic, event_type, headers, payload"

with open(os.path.join(REPOSITORY, "crates/outbox/src/store/read_new.sql"), encoding="utf-8") as file:
    READ_NEW = file.read()

SETUP_A = """
DROP TABLE IF EXISTS command.outbox_by_id;
CREATE TABLE command.outbox_by_id (LIKE command.outbox INCLUDING DEFAULTS);
ALTER TABLE command.outbox_by_id ADD PRIMARY KEY (id),
    SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
"""


def connect():
    connection = psycopg.connect(URL, autocommit=True)
    connection.execute("SET search_path = command")
    connection.execute("SET plan_cache_mode = force_generic_plan")
    connection.execute("SET enable_seqscan = off")
    return connection


def write(table, stop, counts, n):
    with connect() as connection:
        statement = f"INSERT INTO {table} ({COLUMNS}) VALUES (now(), 1, %s, %s, %s, 't', 'e', '', %s)"
        while not stop.is_set():
            row = (uuid.uuid4(), uuid.uuid4(), counts[n] % 64, PAYLOAD)
            connection.execute(statement, row, prepare=True)
            counts[n] += 1


class ById:
    name, table = "(a) delete by id", "outbox_by_id"

    def __init__(self):
        with psycopg.connect(URL, autocommit=True) as connection:
            connection.execute(SETUP_A)
        self.floor, self.scanned, self.is_scan = 0, time.monotonic(), False

    def poll(self, connection):
        self.is_scan = time.monotonic() - self.scanned >= SCAN_EVERY
        if self.is_scan:
            self.scanned = time.monotonic()
        after = 0 if self.is_scan else self.floor
        statement = f"SELECT * FROM outbox_by_id WHERE id > %s ORDER BY id LIMIT {PAGE}"
        rows = connection.execute(statement, (after,), prepare=True).fetchall()
        return rows, [row[0] for row in rows]

    def let_go(self, connection, ids):
        connection.execute("DELETE FROM outbox_by_id WHERE id = ANY(%s)", (ids,), prepare=True)
        self.floor = max(self.floor, ids[-1])


class BySnapshot:
    name, table, is_scan = "(b) snapshot", "outbox", False

    def __init__(self):
        with psycopg.connect(URL, autocommit=True) as connection:
            connection.execute("UPDATE command.outbox_shards SET position = pg_current_snapshot()")
            self.position = connection.execute("SELECT pg_current_snapshot()::text").fetchone()[0]
        arguments = "'{%s}'::smallint[]" % ",".join(str(shard) for shard in range(64))
        self.statement = READ_NEW.replace("$1::smallint[]", arguments)
        self.statement = self.statement.replace("$2::bigint[]", "array_fill(%s::bigint, ARRAY[64])")
        self.statement = self.statement.replace("$3::text[]", "array_fill(%s::text, ARRAY[64])")
        self.statement = self.statement.replace("$4::bigint", f"{PAGE}::bigint").replace("$5::bigint", "8000000::bigint")
        self.statement = "\n".join(line for line in self.statement.splitlines() if not line.startswith("--"))

    def poll(self, connection):
        _, xmax, running = self.position.split(":")
        rows = connection.execute(self.statement, (int(xmax), "{%s}" % running), prepare=True).fetchall()
        self.position = rows[0][0]
        rows = [row for row in rows if row[1] is not None]
        return rows, sorted({row[1] for row in rows})

    def let_go(self, connection, shards):
        # A shard in which nothing was new keeps the position that it has: it is as right as a newer one.
        statement = "UPDATE outbox_shards SET position = %s::pg_snapshot WHERE shard = ANY(%s)"
        connection.execute(statement, (self.position, shards), prepare=True)


def one_round(method, held):
    method = method()
    stop, counts = threading.Event(), [0] * WRITERS
    holder = connect()
    if held:
        holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT pg_current_xact_id(), count(*) FROM outbox_shards")
    writers = [threading.Thread(target=write, args=(method.table, stop, counts, n)) for n in range(WRITERS)]
    polls, scans, let_go, relay = [], [], 0, connect()
    for writer in writers:
        writer.start()
    begin = time.monotonic()
    while time.monotonic() - begin < SECONDS:
        before = time.monotonic()
        rows, mark = method.poll(relay)
        (scans if method.is_scan else polls).append((time.monotonic() - before) * 1e3)
        if rows:
            method.let_go(relay, mark)
            let_go += len(rows)
        else:
            time.sleep(0.002)
    stop.set()
    for writer in writers:
        writer.join()
    holder.close()
    relay.close()
    return [sum(counts) / SECONDS, let_go / SECONDS, *medians(polls), *(medians(scans) if scans else [])]


def medians(times):
    tenth = max(1, len(times) // 10)
    return [statistics.median(times), statistics.median(times[:tenth]), statistics.median(times[-tenth:])]


def main():
    headings = ["written/s", "let go/s", "poll", "first", "last", "scan", "first", "last"]
    print(f"{'method':<17}{'':<6}" + "".join(f"{heading:>10}" for heading in headings))
    for _ in range(ROUNDS):
        for held in (False, True):
            for method in (ById, BySnapshot):
                figures = "".join(f"{figure:>10.2f}" for figure in one_round(method, held))
                print(f"{method.name:<17}{'held' if held else '':<6}{figures}", flush=True)


main()
