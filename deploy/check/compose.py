#!/usr/bin/env python3
"""Checks what no schema of compose files can: compose.py [FOLDER of deploy].

Files are resolved by compose-spec, the loader of `docker compose` itself: anchors, `extends`, variables, paths. Prints
each fault, and ends with 1 if there is one.
"""

import itertools
import json
import os
import pathlib
import re
import subprocess
import sys

import process_facts
from images import Dockerfile, split_name, why_not_exact
from sources import SERVICES, Implausible, Sources

DEPLOY = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
MAIN, TESTS, BACKING = "docker-compose.yml", "docker-compose.test.yml", "docker/docker-compose.backing.yml"
# Each brings Depot, and each other's place.
WHOLES = {"kafka", "kafka-cluster", "minio"}
# What whoever finds an image wants to know of it. MinIO's commit and time are those of its release.
LABELS = {
    "docker/Dockerfile": ("title", "description", "licenses", "version", "revision", "created", "source"),
    "docker/minio/Dockerfile": ("title", "licenses", "version", "source"),
}
OF_LABELS = "org.opencontainers.image."
# As deploy/native/kafka-cluster.sh has them: of three copies of whatever is kept, two have to have it.
OF_CLUSTER = {
    "KAFKA_DEFAULT_REPLICATION_FACTOR": "3",
    "KAFKA_MIN_INSYNC_REPLICAS": "2",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "3",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "3",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "2",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "3",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "2",
}
# Of the step that makes the topics.
OF_TOPICS = {"KAFKA_REPLICATION_FACTOR": "3", "KAFKA_MIN_INSYNC_REPLICAS": "2"}
# Where nothing is said, the engine waits for so long.
GRACE_OF_ENGINE = "10s"


def load(name):
    path = DEPLOY / name
    # Without the variables of whoever runs this.
    environment = {"PATH": os.environ["PATH"], "HOME": "/"}
    command = ["compose-spec", "--format", "json", path.name]
    run = subprocess.run(command, cwd=path.parent, env=environment, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        print(f"{name}: cannot be loaded: {run.stderr.strip()}")
        sys.exit(1)
    return json.loads(run.stdout)


def environment_of(service):
    pairs = service.get("environment") or {}
    if isinstance(pairs, list):
        pairs = dict(pair.partition("=")[::2] for pair in pairs)
    return {name: "" if value is None else str(value) for name, value in pairs.items()}


def dockerfile_of(build):
    path = pathlib.Path(build["context"]) / build.get("dockerfile", "Dockerfile")
    return Dockerfile(path.read_text(encoding="utf-8"))


def is_one_shot(service):
    return service.get("restart", "no").startswith(("no", "on-failure")) and "healthcheck" not in service


def names_of(name, service):
    """The host names under which others reach it."""
    networks = service.get("networks") or {}
    return {name}.union(*((network or {}).get("aliases", []) for network in networks.values()))


def check_images(services):
    for name, service in services.items():
        if "build" in service:
            for image in dockerfile_of(service["build"]).foreign_images():
                reason = why_not_exact(image)
                if reason:
                    yield name, f"is built FROM {image}: {reason}"
        else:
            reason = why_not_exact(service.get("image", ""))
            if reason:
                yield name, f"image {service.get('image')}: {reason}"


def check_rights(services):
    """Of what is built here. Others differ in what they bear."""
    for name, service in services.items():
        if "no-new-privileges:true" not in service.get("security_opt", []):
            yield name, "lacks security_opt no-new-privileges:true"
        if "build" not in service:
            continue
        if not service.get("read_only"):
            yield name, "lacks read_only: true"
        if service.get("cap_drop") != ["ALL"]:
            yield name, "lacks cap_drop: [ALL]"
        if service.get("cap_add") or service.get("privileged"):
            yield name, "takes rights back"
        user = service.get("user") or dockerfile_of(service["build"]).user(service["build"].get("target"))
        number = (user or "").partition(":")[0]
        if not number.isdigit() or int(number) == 0:
            yield name, f"runs as {user or 'root'}: a number other than 0 is wanted"


def check_labels():
    for file, wanted in LABELS.items():
        dockerfile = Dockerfile((DEPLOY / file).read_text(encoding="utf-8"))
        stage = dockerfile.stages[dockerfile.last]
        for name in wanted:
            value = stage["labels"].get(OF_LABELS + name, "")
            if not value:
                yield file, f"the image lacks the label {OF_LABELS}{name}"
            for argument in set(re.findall(r"\$\{?(\w+)", value)) - stage["arguments"]:
                yield file, f"the label {OF_LABELS}{name} is made of {argument}, which is no ARG of its stage"


def check_dependencies(services):
    for name, service in services.items():
        for other, how in (service.get("depends_on") or {}).items():
            target = services.get(other)
            if target is None:
                yield name, f"depends on {other}, which is not there"
            elif how["condition"] == "service_healthy" and "healthcheck" not in target:
                yield name, f"waits for {other} to be healthy, which has no health check"
            elif how["condition"] == "service_completed_successfully" and not is_one_shot(target):
                yield name, f"waits for {other} to end, which runs for good"
            elif how["condition"] == "service_started" and is_one_shot(target):
                yield name, f"waits for {other} to start, which is a step: wait for its end"


def check_health(services):
    for name, service in services.items():
        test = service.get("healthcheck", {}).get("test", [])
        if test[:1] == ["CMD-SHELL"] and "build" in service:
            yield name, "its health check wants a shell, which the image does not have"
        if "healthcheck" in test and "ADMIN_PORT" not in environment_of(service):
            yield name, "its health check asks ADMIN_PORT, which is not set"


def seconds(duration):
    """Of a duration as Go writes it: 1m30s."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|[hms])", duration))


def check_grace(services):
    """A container is not killed while its service drains."""
    sources = Sources(DEPLOY.parent)
    after_drain = process_facts.read(DEPLOY.parent).after_drain_seconds
    for name, service in services.items():
        program = (service.get("command") or [""])[0]
        if program not in SERVICES:
            continue
        variables = environment_of(service)
        prefix = sources.service(program).prefix

        def in_force(variable):
            said = variables.get(f"{prefix}_{variable}") or variables.get(variable)
            return int(said or sources.default_of_process(variable))

        least = in_force("SHUTDOWN_NOTICE_MS") / 1000 + in_force("SHUTDOWN_DEADLINE_SECONDS") + after_drain
        grace = seconds(service.get("stop_grace_period", GRACE_OF_ENGINE))
        if grace < least:
            yield name, f"is killed after {grace:g} s, and may take {least:g} s to drain and end"


def check_ports(services):
    for name, service in services.items():
        for port in service.get("ports", []):
            if port.get("host_ip") not in ("127.0.0.1", "::1"):
                yield name, f"publishes {port.get('published')} on {port.get('host_ip', 'every address')}, not on loopback"


def check_defined(model):
    """Volumes and configurations: what is used is defined, what is defined is used, what is bound is there."""
    used = {"volumes": set(), "configs": set(), "secrets": set()}
    for name, service in model["services"].items():
        for mount in service.get("volumes", []):
            if mount["type"] == "volume":
                used["volumes"].add(mount.get("source"))
            elif mount["type"] == "bind":
                if not pathlib.Path(mount["source"]).exists():
                    yield name, f"binds {mount['source']}, which is not there"
                if not mount.get("read_only"):
                    yield name, f"may write into {mount['source']}"
        for kind in ("configs", "secrets"):
            used[kind].update(entry["source"] for entry in service.get(kind, []))
    for kind, names in used.items():
        defined = set(model.get(kind, {}))
        for missing in sorted(names - defined):
            yield missing, f"is used, and not among the {kind}"
        for idle in sorted(defined - names):
            yield idle, f"is among the {kind}, and not used"


def active(services, profiles):
    return {
        name: service
        for name, service in services.items()
        if not service.get("profiles") or profiles & set(service["profiles"])
    }


def hosts_of(service):
    """The host names in addresses that a service is told."""
    for value in environment_of(service).values():
        yield from re.findall(r"(?:^|[/@,])([a-z][a-z0-9.-]*):\d+(?=$|[/,?])", value)


def check_profiles(services):
    """Each profile alone holds together, and brings whoever is called by name."""
    profiles = set().union(*(service.get("profiles", []) for service in services.values()))
    for missing in sorted(WHOLES - profiles):
        yield missing, "no service has this profile"
    for profile in [None, *sorted(profiles)]:
        on = active(services, {profile})
        known = set().union(*(names_of(name, service) for name, service in on.items()))
        where = f"with the profile {profile}" if profile else "without a profile"
        published = {}
        for name, service in on.items():
            depends = service.get("depends_on") or {}
            for other, how in depends.items():
                if how.get("required", True) and other not in on:
                    yield name, f"{where}: needs {other}, which is off"
            for host in sorted(set(hosts_of(service))):
                is_elsewhere = host == "localhost" or host in depends
                if not is_elsewhere and host not in known and profile in WHOLES:
                    yield name, f"{where}: calls {host}, and nobody has that name"
            for port in service.get("ports", []):
                first = published.setdefault(port["published"], name)
                if first != name:
                    yield name, f"{where}: publishes {port['published']}, as {first} does"


def command_of(service):
    return " ".join(service.get("command") or [])


def check_steps(services):
    """Whichever profile brings Depot: its schema, topics and buckets are there before a service starts, and the demo runs."""
    wanted = {"the schema": {"depot migrate"}, "topics": {"depot topics"}, "buckets": {"depot buckets", "setup"}}
    for profile in sorted(WHOLES):
        on = active(services, {profile})
        for what, commands in wanted.items():
            steps = {name for name, service in on.items() if command_of(service) in commands}
            if len(steps) != 1:
                yield profile, f"{len(steps)} steps instead of one make {what}"
            for name, service in on.items():
                if "depot healthcheck" in " ".join(service.get("healthcheck", {}).get("test", [])):
                    for step in steps - set(service.get("depends_on", {})):
                        yield name, f"with the profile {profile}: does not wait for {step}"
        if "depot demo" not in map(command_of, on.values()):
            yield profile, "does not run the demo"


def check_cluster(services):
    """Of the profile of several brokers: there are three, and each thing is kept as that allows."""
    on = active(services, {"kafka-cluster"})
    brokers = {
        name: environment_of(service)
        for name, service in on.items()
        if split_name(service.get("image", ""))[0] == "apache/kafka"
    }
    if len(brokers) != 3:
        yield "kafka-cluster", f"has {len(brokers)} brokers instead of three"
    if len({variables.get("KAFKA_NODE_ID") for variables in brokers.values()}) != len(brokers):
        yield "kafka-cluster", "has brokers with the same KAFKA_NODE_ID"
    steps = {name: environment_of(service) for name, service in on.items() if command_of(service) == "depot topics"}
    for wanted, told in ((OF_CLUSTER, brokers), (OF_TOPICS, steps)):
        for (name, variables), (variable, value) in itertools.product(told.items(), wanted.items()):
            if variables.get(variable) != value:
                yield name, f"{variable} is {variables.get(variable)}, and has to be {value}"


def check_wholes(services):
    """One of them at a time: the same port on the host keeps two from being on together."""

    def ports_of_its_own(profile, other):
        own = (set(service.get("profiles", [])) for service in services.values())
        own = [profile in profiles and other not in profiles for profiles in own]
        chosen = (service for service, is_own in zip(services.values(), own) if is_own)
        return {port["published"] for service in chosen for port in service.get("ports", [])}

    for one, other in itertools.combinations(sorted(WHOLES), 2):
        if not ports_of_its_own(one, other) & ports_of_its_own(other, one):
            yield one, f"can be on together with {other}: no port of the host keeps them apart"


def check_ends(services):
    """With --abort-on-container-exit, the first end of any container is the end of all."""
    for name, service in services.items():
        if name != "tests" and service.get("restart") != "unless-stopped":
            yield name, "comes to an end, which would end the tests"
    if not is_one_shot(services["tests"]):
        yield "tests", "does not come to an end"


def check_identities():
    """Who may do what in the object store: as deploy/native/identities.py says for the values of .env.example."""
    lines = (DEPLOY.parent / ".env.example").read_text(encoding="utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_0-9]+=", line))
    command = [sys.executable, DEPLOY / "native/identities.py"]
    run = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=True)
    if run.stdout != (DEPLOY / "docker/identities.json").read_text(encoding="utf-8"):
        yield "docker/identities.json", "is not what native/identities.py prints for the values of .env.example"


def faults():
    main, tests, backing = load(MAIN), load(TESTS), load(BACKING)
    for file, model in ((MAIN, main), (TESTS, tests)):
        services = model["services"]
        for check in (check_images, check_rights, check_dependencies, check_health, check_grace, check_ports):
            yield from ((file, *fault) for fault in check(services))
        yield from ((file, *fault) for fault in check_defined(model))
    yield from ((BACKING, *fault) for fault in check_images(backing["services"]))
    for check in (check_profiles, check_steps, check_cluster, check_wholes):
        yield from ((MAIN, *fault) for fault in check(main["services"]))
    yield from ((TESTS, *fault) for fault in check_ends(tests["services"]))
    for check in (check_labels, check_identities):
        yield from (("deploy", *fault) for fault in check())


def main():
    try:
        found = list(dict.fromkeys(faults()))
    except Implausible as error:
        print(f"the sources cannot be read: {error}")
        sys.exit(1)
    for file, subject, fault in found:
        print(f"{file}: {subject}: {fault}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
