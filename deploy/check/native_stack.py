"""What the native stack has, which compose promises to be like: ports, and the settings of brokers."""

import re
from functools import lru_cache

from sources import Implausible

# The parts by the names that compose gives them, as settings.sh names their ports.
PARTS = {"postgres": "POSTGRES", "redis": "REDIS", "kafka": "KAFKA", "object-store": "S3"}
# The part that an address is of, by the end of the variable's name.
ADDRESSES = {"DATABASE_URL": "postgres", "REDIS_ADDR": "redis", "KAFKA_BROKERS": "kafka",
             "MINIO_ENDPOINT": "object-store", "MINIO_PUBLIC_ENDPOINT": "object-store"}
DEFAULT = re.compile(r"^STACK_(\w+)_PORT=\$\{STACK_\w+_PORT:-\$\(\((\d+) \+ STACK_PORT_OFFSET\)\)\}$", re.MULTILINE)
SHIFT_OF_NODE = re.compile(r"STACK_KAFKA_PORT \+ (\d+) \* \(\$1 - 1\)")


@lru_cache
def ports(root):
    """By the part's name, without an offset."""
    found = dict(DEFAULT.findall((root / "deploy/native/settings.sh").read_text()))
    if not set(PARTS.values()) <= set(found):
        raise Implausible("deploy/native/settings.sh does not say the ports as it did")
    return {part: int(found[name]) for part, name in PARTS.items()}


def part_of(variable):
    return next((part for end, part in ADDRESSES.items() if variable == end or variable.endswith("_" + end)), None)


@lru_cache
def port_of_node(root, number):
    """Of one of several brokers."""
    match = SHIFT_OF_NODE.search((root / "deploy/native/kafka-cluster.sh").read_text())
    if not match:
        raise Implausible("deploy/native/kafka-cluster.sh does not say the nodes' ports as it did")
    return ports(root)["kafka"] + int(match.group(1)) * (number - 1)


@lru_cache
def names_of_kafka(root):
    """The settings of a broker that the native stack's files and scripts name."""
    folder = root / "deploy/native"
    found = set(re.findall(r"^([a-z.]+)=", (folder / "kafka/server.properties").read_text(), re.MULTILINE))
    for script in ("kafka.sh", "kafka-cluster.sh"):
        text = (folder / script).read_text()
        # Without quotes, a name without a dot would be a variable of the script.
        found |= set(re.findall(r"\"([a-z.]+)=", text)) | set(re.findall(r"\s([a-z]+(?:\.[a-z]+)+)=", text))
    if len(found) < 25:
        raise Implausible(f"only {len(found)} settings of Kafka found in deploy/native")
    return found
