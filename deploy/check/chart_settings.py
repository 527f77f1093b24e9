"""The chart's schema knows the variables that the code reads, and its files what everything was tested with."""

import json
import re

import yaml

import compact_json
from sources import SERVICES

# Set by the chart itself from other values, or out of Secrets: not to be given a second time as a setting.
OF_THE_CHART = re.compile(
    r"^(APP_ENV|TOPIC_PREFIX|TOPIC_PARTITIONS|PORT|GRPC_PORT|ADMIN_PORT|SHUTDOWN_\w+|OTEL_EXPORTER_OTLP_ENDPOINT"
    r"|DATABASE_(URL|TLS_MODE)|KAFKA_\w+|REDIS_ADDR|MINIO_\w+|S3_\w+|CORS_ORIGINS|(QUERY|COMMAND)_PUBLIC_URL|UPLOADER_ADMIN_URL"
    r"|(COMMAND_API|QUERY_API|PROJECTOR|UPLOADER)_ADMIN_URLS"
    r"|SCANNER_ADDR|JWT_(SECRET|ISSUER|AUDIENCE|JWKS_URL|JWKS_FILE)|SERVICE_TOKEN_SECRET|CURSOR_SECRET"
    r"|\w+_(CA|CERT|KEY)_FILE)$")


def compare(comparison, folder, write):
    where = folder.relative_to(comparison.root).as_posix()
    chart = yaml.safe_load((folder / "Chart.yaml").read_text())
    if chart["appVersion"] != comparison.sources.version():
        version = comparison.sources.version()
        comparison.differ(where, f"appVersion is {chart['appVersion']}, and the workspace is {version}")
    schema = folder / "values.schema.json"
    document = json.loads(schema.read_text())
    for key, names in settable(comparison).items():
        comparison.compared["variables"] += len(names)
        there = document["$defs"][key]["propertyNames"]["enum"]
        if write:
            document["$defs"][key]["propertyNames"]["enum"] = names
        elif there != names:
            comparison.differ(f"{where}/values.schema.json", f"{key} lacks {sorted(set(names) - set(there))}, and has "
                        f"{sorted(set(there) - set(names))} beyond: run deploy/check/settings.py --write")
    if write:
        schema.write_text(compact_json.dumps(document))
    most = document["$defs"]["autoscalingOfConsumers"]["properties"]["maxReplicas"]["maximum"]
    if most != comparison.sources.partitions():
        place = f"{where}/values.schema.json"
        comparison.differ(place, f"{most} pods of a consumer, and {comparison.sources.partitions()} partitions")
    _kafka_settings(comparison, folder)


def settable(comparison):
    """What may be given as a setting, by the definition's name in the schema."""
    read = {name: comparison.sources.service(name).variables for name in SERVICES}
    sets = {name: {variable for variable in variables if not OF_THE_CHART.match(variable)}
            for name, variables in read.items()}
    found = {"settingsOfAll": sorted(set.intersection(*sets.values()))}
    for name, variables in sets.items():
        found["settingsOf" + name.title().replace("-", "")] = sorted(variables)
    return found


def _kafka_settings(comparison, folder):
    """The settings of groups are those that everything was tested with."""
    def properties(path):
        lines = (line for line in path.read_text().splitlines() if "=" in line and not line.startswith("#"))
        return dict(line.split("=", 1) for line in lines)
    path = folder / "files/kafka.properties"
    ours, native = properties(path), properties(comparison.root / "deploy/native/kafka/server.properties")
    for name, value in native.items():
        if name.startswith(("group.", "auto.create")) and ours.get(name) != value:
            place = path.relative_to(comparison.root).as_posix()
            comparison.differ(place, f"{name} is {ours.get(name)}, and {value} in deploy/native")
