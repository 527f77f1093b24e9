"""What rules for pods and networks take from the programs' sources, so that no number is said twice."""

import re
from dataclasses import dataclass
from pathlib import Path

from sources import SERVICES, Implausible, Sources

# What follows the drain, one after the other: the end of the admin listener, of the last spans, of threads.
AFTER_DRAIN = (("shutdown.rs", "LAST_DEADLINE"), ("telemetry/mod.rs", "EXPORT_TIMEOUT"),
               ("runtime.rs", "THREADS_END_WITHIN"))


@dataclass
class ProcessFacts:
    admin_ports: frozenset
    after_drain_seconds: int


def read(root):
    sources = Sources(root)
    ports = frozenset(sources.service(name).ports["ADMIN_PORT"] for name in SERVICES)
    folder = Path(root) / "crates/service/src"
    return ProcessFacts(ports, sum(_seconds(folder / file, constant) for file, constant in AFTER_DRAIN))


def _seconds(path, constant):
    found = re.findall(rf"^const {constant}: Duration = Duration::from_secs\((\d+)\);", path.read_text(), re.MULTILINE)
    if len(found) != 1:
        raise Implausible(f"{path}: no {constant} in seconds")
    return int(found[0])
