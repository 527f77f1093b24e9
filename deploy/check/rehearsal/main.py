"""The rehearsal: all starts at once, the steps are run, a command and a file go through, a broker is lost, all ends."""

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import backing
from objects import pod_of, ports_of
from pods import UNPRIVILEGED, USER, Failed, Pods, ask, require, wait

SERVICES = ("command-api", "query-api", "projector", "uploader")
STEPS = ("migrate", "topics", "buckets")
CONTENT = b"hello"
CONTENT_SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


class Rehearsal:
    def __init__(self, pods, root, tools, programs):
        self.pods, self.root, self.tools, self.programs = pods, root, tools, programs

    def run(self):
        self.pods.lay_out_network()
        print("Backing services, by their StatefulSets:")
        backing.start_postgres(self.pods)
        backing.start_redis(self.pods)
        backing.start_object_store(self.pods)
        backing.start_kafka(self.pods, self.tools, self.root)
        self.services_wait_for_the_steps()
        self.steps()
        self.services_are_ready()
        self.main_job()
        self.a_broker_is_lost()
        self.everything_ends_within_its_grace()
        self.service_links_would_be_settings()

    def probe(self, service, path):
        port = ports_of(self.pods.workload("Deployment", f"depot-{service}"))["admin"]
        return ask(f"http://depot-{service}:{port}{path}")[0]

    def services_wait_for_the_steps(self):
        print("The services, by their Deployments, as user 10001 without capabilities:")
        for service in SERVICES:
            name = f"depot-{service}"
            variables = self.pods.variables("Deployment", name)
            # One network for all pods: each listens on its own address.
            variables["BIND_ADDRESS"] = self.pods.addresses[name]
            command = self.pods.container("Deployment", name)["command"]
            self.pods.start(service, [self.programs / command[0]], variables, USER)
        for service in SERVICES:
            wait(f"{service} is alive", lambda service=service: self.probe(service, "/livez") == 200, 60)
            require(self.probe(service, "/startupz") == 503, f"{service} has not started while there is no schema")

    def tool(self, arguments, variables):
        identity = ["setpriv", f"--reuid={USER}", f"--regid={USER}", *UNPRIVILEGED]
        command = [*identity, self.programs / "depot", *arguments]
        return subprocess.run(command, env=variables, cwd="/", capture_output=True, text=True)

    def steps(self):
        print("The steps, by their Jobs:")
        for step in STEPS:
            arguments = self.pods.container("Job", f"depot-{step}")["command"][1:]
            done = self.tool(arguments, self.pods.variables("Job", f"depot-{step}"))
            said = (done.stdout + done.stderr).strip().splitlines()
            require(done.returncode == 0, f"{step} ends with {done.returncode}: {said[-1] if said else ''}")

    def services_are_ready(self):
        for service in SERVICES:
            wait(f"{service} is ready", lambda service=service: self.probe(service, "/readyz") == 200, 120)
            require(self.probe(service, "/startupz") == 200, f"{service} has started")
            for name, port in ports_of(self.pods.workload("Deployment", f"depot-{service}")).items():
                require(backing.listens(f"depot-{service}", port), f"{service} listens on its port {name}")

    def token(self, role):
        secret = self.pods.secrets["depot-command-api"]["JWT_SECRET"]
        return self.tool(["token", "--role", role], {"APP_ENV": "production", "JWT_SECRET": secret}).stdout.strip()

    def command(self, path, body, key, method="POST", content_type="application/json"):
        headers = {"Authorization": f"Bearer {self.token('writer')}", "Content-Type": content_type}
        headers["Idempotency-Key"] = key
        return ask(f"http://depot-command-api:8080/api/v1{path}", headers, body, method)

    def query(self, path):
        headers = {"Authorization": f"Bearer {self.token('writer')}", "Prefer": "wait=10"}
        return ask(f"http://depot-query-api:8081/api/v1{path}", headers)

    def create(self, key):
        status, text, headers = self.command("/items", json.dumps({"name": key}).encode(), key)
        require(status == 201, f"a command is accepted, and its item is at {headers['Location']}")
        return json.loads(text)["id"]

    def main_job(self):
        print("A command, a file, a sweep:")
        item = self.create("a-bicycle")
        require(self.query(f"/items/{item}?min_version=1")[0] == 200, "what it did is read by its version")
        upload = {"item_id": item, "file_name": "a.txt", "content_type": "text/plain", "size_bytes": len(CONTENT),
                  "sha256": CONTENT_SHA256}
        status, text, _ = self.command("/uploads", json.dumps(upload).encode(), "upload")
        require(status == 201, "an upload is accepted")
        upload = json.loads(text)["id"]
        status, _, _ = self.command(f"/uploads/{upload}/content", CONTENT, "content", "PUT", "text/plain")
        require(status == 202, "its bytes are taken, and put into the bucket of staging")
        wait("the file is stored and attached", lambda: '"stored"' in self.query(f"/uploads/{upload}")[1], 60)
        variables = {"DEPOT_TOKEN": self.token("admin"), "COMMAND_PUBLIC_URL": "http://depot-command-api:8080"}
        swept = self.tool(["sweep", "--dry-run"], variables)
        require(swept.returncode == 0, f"command-api sweeps, and asks the uploader's admin port: {swept.stdout.strip()}")

    def a_broker_is_lost(self):
        print("One of Kafka's three nodes is killed:")
        self.pods.end("kafka-2", signal.SIGKILL)
        item = self.create("another-bicycle")
        wait("what it did is read", lambda: self.query(f"/items/{item}?min_version=1")[0] == 200, 90)

    def everything_ends_within_its_grace(self):
        print("SIGTERM:")
        for service in SERVICES:
            deployment = self.pods.workload("Deployment", f"depot-{service}")
            grace = pod_of(deployment)[1]["terminationGracePeriodSeconds"]
            process, begun = self.pods.processes[service], time.monotonic()
            process.send_signal(signal.SIGTERM)
            if self.pods.variables("Deployment", f"depot-{service}")["SHUTDOWN_NOTICE_MS"] != "0":
                unready = f"{service} says that it is not ready"
                wait(unready, lambda service=service: self.probe(service, "/readyz") == 503, 5)
                port = ports_of(deployment)["http"]
                require(ask(f"http://depot-{service}:{port}/health")[0] == 200, f"{service} goes on answering meanwhile")
            status = process.wait(timeout=grace)
            require(status == 0, f"{service} ends with {status} after {time.monotonic() - begun:.1f} s, of {grace} s")

    def service_links_would_be_settings(self):
        """Why pods have no service links: with them a Service called command-api would set this variable."""
        print("A variable of a service link:")
        variables = self.pods.variables("Deployment", "depot-command-api")
        variables["COMMAND_API_PORT"] = "tcp://10.0.0.1:8080"
        program = [self.programs / "command-api"]
        ended = subprocess.run(program, env=variables, cwd="/", capture_output=True, text=True)
        is_refused = ended.returncode != 0 and "COMMAND_API_PORT" in ended.stderr
        require(is_refused, "is refused by command-api as a setting")


def secrets_for_the_cluster(path, out):
    """The example's, with the addresses of the release, as its comment on backing services in the cluster says."""
    text = path.read_text().replace("postgres.example.com", "depot-postgres")
    text = text.replace("rediss://", "redis://").replace("redis.example.com", "depot-redis")
    target = out / "secrets.yaml"
    target.write_text(text)
    return target


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("root", "tools", "programs", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    out = arguments.out
    secrets = secrets_for_the_cluster(arguments.root / "deploy/k8s/secrets.example.yaml", out)
    pods = Pods(out / "rendered.yaml", secrets, out)
    try:
        Rehearsal(pods, arguments.root, arguments.tools, arguments.programs).run()
    except (Failed, subprocess.CalledProcessError, OSError) as error:
        print(f"FAILED: {error}; logs are in {out}")
        return 1
    finally:
        pods.end_all()
    print("all of it as it is meant to be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
