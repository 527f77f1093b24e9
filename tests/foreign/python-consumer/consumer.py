"""Keeps Depot's items in a SQLite file, read from Kafka as CloudEvents.

    consumer.py follow STORE    reads depot.items.v1 for ever; end it in any way, SIGKILL too, and start it again
    consumer.py show STORE      prints what it has, as JSON

Each batch of messages is one transaction of SQLite: what follows from them, and where to go on in Kafka. So a kill at any point
leaves both or neither, and no offset is ever committed to Kafka. What is told twice all the same is known by the item's
version, and changes nothing.
"""

import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

BATCH = 100
TIMEOUT_SECONDS = 30

# All types that this reader knows, without their major version: what it does with each is the same, since each event has the
# whole item after the change.
KNOWN = {
    "depot.item.created",
    "depot.item.updated",
    "depot.item.file_attached",
    "depot.item.deleted",
    "depot.item.snapshot",
}
SNAPSHOT = "depot.item.snapshot.v1"

SCHEMA = """
CREATE TABLE IF NOT EXISTS offsets (
    topic     TEXT    NOT NULL,
    partition INTEGER NOT NULL,
    next      INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
);
-- A deleted item stays, as the version from which on nothing older is taken.
CREATE TABLE IF NOT EXISTS items (
    id      TEXT    PRIMARY KEY,
    epoch   INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- How many changes were heard of it. Of a repeat that was counted, or a change that was missed, this would tell.
    changes INTEGER NOT NULL,
    item    TEXT    NOT NULL
);
-- What this reader cannot take, whole: for a person, or for its next version.
CREATE TABLE IF NOT EXISTS set_aside (
    topic     TEXT    NOT NULL,
    partition INTEGER NOT NULL,
    "offset"  INTEGER NOT NULL,
    reason    TEXT    NOT NULL,
    key       BLOB,
    headers   TEXT    NOT NULL,
    value     BLOB,
    PRIMARY KEY (topic, partition, "offset")
);
"""


class NotTaken(Exception):
    """A message that this reader cannot take: reading it again would fail again."""


@dataclass(frozen=True)
class Change:
    item_id: str
    # Compared as a pair: the epoch rises when Depot's database was set back to an earlier point, and wins over any version.
    epoch: int
    version: int
    is_snapshot: bool
    item: dict[str, Any]


def fail(message: str) -> NoReturn:
    sys.exit(f"error: {message}")


def decode(key: bytes | None, headers: dict[str, bytes], value: bytes | None) -> Change | None:
    """The change that a message tells of, by its headers (CloudEvents' binary mode); None for what is none of ours.

    Headers and members that are not named here are passed over.
    """

    def header(name: str) -> str:
        if name not in headers:
            raise NotTaken(f"there is no header {name}")
        try:
            return headers[name].decode()
        except UnicodeDecodeError:
            raise NotTaken(f"the header {name} is no UTF-8") from None

    def number(name: str, text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= 18):
            raise NotTaken(f"the header {name} is {text!r}")
        return int(text)

    if header("ce_specversion") != "1.0":
        raise NotTaken(f"it is a CloudEvent of version {header('ce_specversion')!r}")
    event_type = header("ce_type")
    stem, _, major = event_type.rpartition(".v")
    # A type that came later tells of what this reader has no use for. Another version of a known one tells of what it keeps.
    if stem not in KNOWN:
        return None
    if major != "1":
        raise NotTaken(f"{event_type} is a version that is not known here")
    item_id = header("ce_subject")
    version = number("ce_aggregateversion", header("ce_aggregateversion"))
    epoch = number("ce_restoreepoch", header("ce_restoreepoch") if "ce_restoreepoch" in headers else "0")
    if key != item_id.encode():
        raise NotTaken(f"its key is not its subject, {item_id}")
    try:
        data = json.loads(value or b"")
    except (ValueError, RecursionError) as error:
        raise NotTaken(f"its value is no JSON: {error}") from None
    try:
        item = data["item"]
        told = (item["id"], item["version"])
    except (KeyError, TypeError) as error:
        raise NotTaken(f"its value has no item: {error!r}") from None
    if told != (item_id, version):
        raise NotTaken(f"its value is of {told}, its headers are of {(item_id, version)}")
    return Change(item_id, epoch, version, event_type == SNAPSHOT, item)


def connect(path: str) -> sqlite3.Connection:
    is_uri = path.startswith("file:")
    return sqlite3.connect(path, timeout=TIMEOUT_SECONDS, isolation_level=None, uri=is_uri)


class Store:
    def __init__(self, path: str) -> None:
        self.database = connect(path)
        # With FULL a commit is on disk when it returns, so not even a loss of power sets items and offsets apart.
        self.database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")

    def next_offset(self, topic: str, partition: int) -> int | None:
        query = "SELECT next FROM offsets WHERE topic = ? AND partition = ?"
        row = self.database.execute(query, (topic, partition)).fetchone()
        return row[0] if row else None

    def begin_at(self, topic: str, partition: int, offset: int) -> None:
        self.database.execute("INSERT INTO offsets VALUES (?, ?, ?)", (topic, partition, offset))

    def move_offset(self, topic: str, partition: int, expected: int, following: int) -> None:
        """Within a transaction. Another process on this file would have moved it meanwhile: then nothing is written."""
        moved = self.database.execute(
            "UPDATE offsets SET next = ? WHERE topic = ? AND partition = ? AND next = ?",
            (following, topic, partition, expected),
        )
        if moved.rowcount != 1:
            fail(f"another process follows {topic} into this store")

    def apply(self, change: Change) -> None:
        """Does nothing for a repeat, or for what is older than what is here. A snapshot is a start, and no change."""
        self.database.execute(
            """INSERT INTO items VALUES (?, ?, ?, ?, ?)
               ON CONFLICT (id) DO UPDATE SET
                   epoch = excluded.epoch, version = excluded.version, item = excluded.item,
                   changes = items.changes + excluded.changes
               WHERE (items.epoch, items.version) < (excluded.epoch, excluded.version)""",
            (
                change.item_id,
                change.epoch,
                change.version,
                0 if change.is_snapshot else 1,
                json.dumps(change.item),
            ),
        )


def show(path: str) -> dict[str, Any]:
    """What a store has, read beside the process that follows. Fails while there is none."""
    database = connect(f"file:{quote(path)}?mode=ro")
    items = database.execute("SELECT id, epoch, version, changes, item FROM items ORDER BY id")
    aside = database.execute('SELECT reason FROM set_aside ORDER BY topic, partition, "offset"')
    return {
        "items": {
            item_id: {"epoch": epoch, "version": version, "changes": changes, "item": json.loads(item)}
            for item_id, epoch, version, changes, item in items
        },
        "set_aside": [reason for (reason,) in aside],
    }


class Follower:
    def __init__(self, store: Store, brokers: str, topic: str) -> None:
        self.store = store
        self.topic = topic
        self.consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                # Asked for by the client. Nobody joins it and nothing is committed to it: the offsets are in the store.
                "group.id": "depot-foreign-python",
                "enable.auto.commit": False,
                # A place that is not in the log any more is an error: to begin anew in silence would leave changes out.
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
            }
        )
        described = self.consumer.list_topics(topic, TIMEOUT_SECONDS).topics[topic]
        if described.error is not None or not described.partitions:
            fail(f"{topic} cannot be read: {described.error}")
        places = []
        for partition in described.partitions:
            offset = store.next_offset(topic, partition)
            if offset is None:
                offset, _ = self.consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), TIMEOUT_SECONDS, cached=False
                )
                store.begin_at(topic, partition, offset)
            places.append(TopicPartition(topic, partition, offset))
        self.next = {place.partition: place.offset for place in places}
        self.consumer.assign(places)

    def step(self) -> None:
        """Takes what has come, as one transaction."""
        messages: list[Any] = self.consumer.consume(BATCH, timeout=1)
        if not messages:
            return
        following = dict(self.next)
        with self.store.transaction():
            for message in messages:
                if message.error() is not None:
                    self.on_error(message)
                    continue
                # By its own place: markers of transactions leave gaps.
                following[message.partition()] = message.offset() + 1
                self.take(message)
            for partition, offset in following.items():
                if offset != self.next[partition]:
                    self.store.move_offset(self.topic, partition, self.next[partition], offset)
        self.next = following

    def take(self, message: Any) -> None:
        pairs = message.headers() or []
        try:
            change = decode(message.key(), {name: value or b"" for name, value in pairs}, message.value())
        except NotTaken as error:
            self.set_aside(message, pairs, str(error))
            return
        if change is not None:
            self.store.apply(change)

    def set_aside(self, message: Any, pairs: list[tuple[str, bytes | None]], reason: str) -> None:
        place = f"{message.topic()} {message.partition()} {message.offset()}"
        print(f"set aside {place}: {reason}", file=sys.stderr)
        headers = [(name, None if value is None else value.hex()) for name, value in pairs]
        self.store.database.execute(
            "INSERT INTO set_aside VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                message.topic(),
                message.partition(),
                message.offset(),
                reason,
                message.key(),
                json.dumps(headers),
                message.value(),
            ),
        )

    @staticmethod
    def on_error(message: Any) -> None:
        error = message.error()
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            fail(
                f"{message.topic()} {message.partition()} does not have the place where this store goes on ({error}): "
                "if the log was lost, begin with an empty store, which snapshots will fill"
            )
        # The client goes on by itself, and asks the brokers again.
        if not error.fatal():
            print(f"Kafka: {error}", file=sys.stderr)
            return
        fail(f"Kafka: {error}")


def follow(store: Store) -> None:
    brokers = os.environ.get("KAFKA_BROKERS", "localhost:19092")
    topic = os.environ.get("TOPIC_PREFIX", "depot") + ".items.v1"
    try:
        follower = Follower(store, brokers, topic)
        while True:
            follower.step()
    except KafkaException as error:
        fail(f"Kafka: {error}")


def main() -> None:
    match sys.argv[1:]:
        case ["follow", path]:
            follow(Store(path))
        case ["show", path]:
            try:
                print(json.dumps(show(path)))
            except sqlite3.Error as error:
                fail(f"{path} cannot be read: {error}")
        case _:
            fail("usage: consumer.py follow|show STORE")


if __name__ == "__main__":
    main()
