"""The backing services of the release, by the arguments and variables of their StatefulSets.

What differs from a pod: folders, since there is no volume; one network for all, so that each listens on an address of
its own; the heap of Kafka's nodes, which share a machine; and Postgres, whose image makes the database at its start.
"""

import json
import os
import pwd
import shutil
import socket
import subprocess

from pods import ask, expanded, run, wait

POSTGRES_PROGRAMS = "/usr/lib/postgresql/15/bin"
PATH = os.environ["PATH"]


def start_postgres(pods):
    container = pods.container("StatefulSet", "depot-postgres")
    variables = pods.variables("StatefulSet", "depot-postgres")
    user = pwd.getpwnam("postgres")
    folder = pods.out / "postgres"
    folder.mkdir()
    os.chown(folder, user.pw_uid, user.pw_gid)
    password = pods.out / "postgres.password"
    password.write_text(variables["POSTGRES_PASSWORD"])
    as_postgres = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    owner = variables["POSTGRES_USER"]
    run(*as_postgres, f"{POSTGRES_PROGRAMS}/initdb", "-D", folder, "-U", owner, "--pwfile", password,
        *variables["POSTGRES_INITDB_ARGS"].split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(folder / "pg_hba.conf", "a") as access:
        access.write("host all all all scram-sha-256\n")
    address = pods.addresses["depot-postgres"]
    places = ["-c", f"listen_addresses={address}", "-c", f"unix_socket_directories={folder}"]
    server = [*as_postgres, f"{POSTGRES_PROGRAMS}/postgres", "-D", folder, *places]
    pods.start("postgres", [*server, *container["args"]], {"PATH": PATH})
    wait("Postgres answers its probe", lambda: run("pg_isready", "-q", "-h", "depot-postgres", "-U", owner), 60)
    url = f"postgres://{owner}:{variables['POSTGRES_PASSWORD']}@depot-postgres/postgres"
    run("psql", "-q", url, "-c", f"CREATE DATABASE {variables['POSTGRES_DB']}")


def start_redis(pods):
    container = pods.container("StatefulSet", "depot-redis")
    variables = {"PATH": PATH, **pods.variables("StatefulSet", "depot-redis")}
    arguments = [expanded(argument, variables) for argument in container["args"]]
    pods.start("redis", [*arguments, "--bind", pods.addresses["depot-redis"]], variables, folder=pods.out)
    ping = ["redis-cli", "-h", "depot-redis", "ping"]
    answer = {"env": variables, "capture_output": True}
    wait("Redis answers with its password", lambda: b"PONG" in run(*ping, **answer).stdout, 30)


def start_object_store(pods):
    container = pods.container("StatefulSet", "depot-object-store")
    folder = pods.out / "object-store"
    for name in ("data", "tmp", "identities"):
        (folder / name).mkdir(parents=True)
    identities = pods.secrets["depot-object-store"]["identities.json"]
    (folder / "identities/identities.json").write_text(identities)
    places = {"=/data": f"={folder}/data", "=/tmp/": f"={folder}/tmp/", "=/etc/depot/": f"={folder}/"}
    command = []
    for argument in container["command"]:
        # Once: the folder may lie in another of these itself.
        mounted = next((mounted for mounted in places if mounted in argument), None)
        command.append(argument.replace(mounted, places[mounted]) if mounted else argument)
    variables = {"PATH": PATH, "HOME": str(folder), **pods.variables("StatefulSet", "depot-object-store")}
    pods.start("object-store", command, variables, folder=folder / "data")
    wait("the object store answers its probe", lambda: ask("http://depot-object-store:8333/healthz")[0] == 200, 60)


def start_kafka(pods, tools, root):
    """By the wrapper that the image starts with, which makes the configuration and formats the storage."""
    nodes = range(pods.workload("StatefulSet", "depot-kafka")["spec"]["replicas"])
    classes = f"{tools}/kafka/*"
    for node in nodes:
        folder = pods.out / f"kafka-{node}"
        for name in ("default", "mounted", "final"):
            (folder / name).mkdir(parents=True)
        (folder / "mounted/server.properties").write_text(pods.settings["depot-kafka"]["server.properties"])
        write_defaults(folder / "default")
        of_pod = {"KAFKA_NODE_ID": str(node), "POD_NAME": f"depot-kafka-{node}", "POD_NAMESPACE": "depot"}
        variables = pods.variables("StatefulSet", "depot-kafka", of_pod)
        variables.pop("KAFKA_HEAP_OPTS")
        address = pods.addresses[f"depot-kafka-{node}.depot-kafka"]
        variables["KAFKA_LISTENERS"] = variables["KAFKA_LISTENERS"].replace("://:", f"://{address}:")
        variables["KAFKA_LOG_DIRS"] = str(folder / "data")
        with open(folder / "setup.log", "w") as log:
            run("java", "-Xmx96m", "-cp", classes, "kafka.docker.KafkaDockerWrapper", "setup",
                "--default-configs-dir", folder / "default", "--mounted-configs-dir", folder / "mounted",
                "--final-configs-dir", folder / "final", env={"PATH": PATH, **variables}, stdout=log, stderr=log)
        logging = root / "deploy/native/kafka/log4j2.properties"
        command = ["java", "-Xms128m", "-Xmx320m", f"-Dlog4j2.configurationFile={logging}", "-cp", classes]
        pods.start(f"kafka-{node}", [*command, "kafka.Kafka", folder / "final/server.properties"], {"PATH": PATH})
    for node in nodes:
        host = f"depot-kafka-{node}.depot-kafka"
        wait(f"Kafka's node {node} answers its probe", lambda host=host: listens(host, 9092), 120)


def write_defaults(folder):
    """What the image has of its own; the wrapper wants it there."""
    (folder / "server.properties").write_text("process.roles=broker,controller\n")
    loggers = {"Root": {"level": "INFO", "AppenderRef": []}, "Logger": []}
    logging = {"Configuration": {"Properties": {}, "Appenders": {}, "Loggers": loggers}}
    # YAML, too.
    (folder / "log4j2.yaml").write_text(json.dumps(logging))
    shutil.copy(folder / "log4j2.yaml", folder / "tools-log4j2.yaml")


def listens(host, port):
    with socket.create_connection((host, port), 2):
        return True
