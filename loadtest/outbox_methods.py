#!/usr/bin/env python3
"""Compares the two right ways of letting go of outbox rows, in alternation: see docs/decisions/0001.

    outbox_methods.py OWNER_URL SECONDS ROUNDS

(a) a poll reads each row that is there, by id, and the acknowledged ones are deleted; (b) the project's own: rows are
never touched, a shard's position is a snapshot. Both at their best: one relay, all 64 shards, one statement a poll,
Kafka answers at once. Four writers insert as fast as they can, a row a transaction. With `held`, a transaction that
has an id and a snapshot stays open over the whole round. OWNER_URL names a migrated database that nobody else uses;
it wants psycopg.
"""

import os
import statistics
import subprocess
import sys
import threading
import time
import uuid

import psycopg

URL, SECONDS, ROUNDS = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.join(HERE, "..")
WRITERS, PAGE, PAYLOAD = 4, 500, b"x" * 300
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

    def poll(self, connection):
        # Always from the start: what commits late lies behind any floor. A floor with a scan now and then is cheaper
        # while nothing is bloated, and finds a late row only then.
        rows = connection.execute(
            f"SELECT * FROM outbox_by_id ORDER BY id LIMIT {PAGE}", prepare=True
        ).fetchall()
        return rows, [row[0] for row in rows]

    def let_go(self, connection, ids):
        connection.execute("DELETE FROM outbox_by_id WHERE id = ANY(%s)", (ids,), prepare=True)


class BySnapshot:
    name, table = "(b) snapshot", "outbox"

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
        return [row for row in rows if row[1] is not None], rows[0][0]

    def let_go(self, connection, snapshot):
        connection.execute("UPDATE outbox_shards SET position = %s::pg_snapshot", (snapshot,), prepare=True)
        self.position = snapshot


def one_round(method, held):
    method = method()
    stop, counts = threading.Event(), [0] * WRITERS
    holder = connect()
    if held:
        holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT pg_current_xact_id(), count(*) FROM outbox_shards")
    writers = [threading.Thread(target=write, args=(method.table, stop, counts, n)) for n in range(WRITERS)]
    polls, drained, relay = [], 0, connect()
    for writer in writers:
        writer.start()
    begin = time.monotonic()
    while time.monotonic() - begin < SECONDS:
        before = time.monotonic()
        rows, mark = method.poll(relay)
        polls.append(time.monotonic() - before)
        if rows:
            method.let_go(relay, mark)
            drained += len(rows)
        else:
            time.sleep(0.002)
    stop.set()
    for writer in writers:
        writer.join()
    last = statistics.median(polls[-50:])
    holder.close()
    relay.close()
    written = sum(counts)
    return written / SECONDS, drained / SECONDS, statistics.median(polls) * 1e3, last * 1e3


def main():
    print(f"{'method':<20}{'':<6}{'written/s':>10}{'let go/s':>10}{'poll ms':>9}{'last 50':>9}")
    for _ in range(ROUNDS):
        for held in (False, True):
            for method in (ById, BySnapshot):
                figures = one_round(method, held)
                label = "held" if held else ""
                print(f"{method.name:<20}{label:<6}{figures[0]:>10.0f}{figures[1]:>10.0f}{figures[2]:>9.2f}{figures[3]:>9.2f}", flush=True)


main()
