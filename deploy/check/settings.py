#!/usr/bin/env python3
"""Compares what deployments say with what the code defines: settings.py [RENDERED.yaml…] [--root DIR] [--write]

Variables, ports, paths, topics and metrics of the compose files, of .env.example, of rendered charts and manifests, and
of the chart's schema; who may do what in the object store; rules and dashboards. `--write` puts the variables that the
code reads into the schema. Prints one line for each difference.
"""

import argparse
import sys
from pathlib import Path

import chart_settings
import compose_file
import env_example
import observability
import rendered_settings
import store_identities
from comparison import Comparison
from sources import Implausible


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rendered", nargs="*", type=Path)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    root = arguments.root
    try:
        comparison = Comparison(root)
        chart_settings.compare(comparison, root / "deploy/helm/depot", arguments.write)
        compose_file.compare(comparison, root / "deploy/docker-compose.yml")
        compose_file.compare_tests(comparison, root / "deploy/docker-compose.test.yml")
        env_example.compare(comparison, root / ".env.example")
        store_identities.compare(comparison)
        observability.compare(comparison)
        rendered_settings.compare_images(comparison, root / "deploy/docker-compose.yml", arguments.rendered)
        for path in arguments.rendered:
            rendered_settings.compare(comparison, path)
    except Implausible as error:
        print(f"the sources cannot be read: {error}")
        return 1
    for line in comparison.differences:
        print(line)
    counts = ", ".join(f"{count} {what}" for what, count in comparison.compared.items())
    print(f"compared {counts}: {len(comparison.differences)} differences")
    print(f"  exception: {env_example.PREFIX}… of .env.example, read by {env_example.READERS}")
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
