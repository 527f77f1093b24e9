"""Pods as processes: their names and addresses, their variables, their beginning and end."""

import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

from objects import by_kind, containers_of, load

USER = 10001
UNPRIVILEGED = ["--clear-groups", "--no-new-privs", "--bounding-set=-all"]


class Failed(Exception):
    """Something was not as it is meant to be."""


class Pods:
    def __init__(self, rendered, secrets, out):
        self.items = load(rendered)
        self.secrets = {item["metadata"]["name"]: item["stringData"] for item in load(secrets)}
        self.settings = {item["metadata"]["name"]: item["data"] for item in by_kind(self.items, "ConfigMap")}
        self.out = out
        self.processes = {}
        self.addresses = {}

    def lay_out_network(self):
        """An address on loopback for each Service and each of Kafka's pods, by the names that they have in a cluster."""
        names = [[item["metadata"]["name"]] for item in by_kind(self.items, "Service")]
        nodes = self.workload("StatefulSet", "depot-kafka")["spec"]["replicas"]
        names += [[f"depot-kafka-{i}.depot-kafka", f"depot-kafka-{i}.depot-kafka.depot.svc"] for i in range(nodes)]
        lines = ["127.0.0.1 localhost"]
        run("ip", "link", "set", "lo", "up")
        for number, known_as in enumerate(names, 1):
            address = f"10.99.0.{number}"
            run("ip", "address", "add", f"{address}/32", "dev", "lo")
            self.addresses.update(dict.fromkeys(known_as, address))
            lines.append(" ".join([address, *known_as]))
        hosts = self.out / "hosts"
        hosts.write_text("\n".join(lines) + "\n")
        # Seen by this process and its children only.
        run("mount", "--make-rprivate", "/")
        run("mount", "--bind", hosts, "/etc/hosts")

    def workload(self, kind, name):
        return next(item for item in self.items if (item["kind"], item["metadata"]["name"]) == (kind, name))

    def container(self, kind, name):
        return containers_of(self.workload(kind, name))[0]

    def variables(self, kind, name, of_pod=None):
        """As the kubelet gives them. `of_pod` has those that come from the pod itself."""
        container, found = self.container(kind, name), {}
        for source in container.get("envFrom", []):
            found.update(self.settings[source["configMapRef"]["name"]])
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                reference = source["secretKeyRef"]
                found[variable["name"]] = self.secrets[reference["name"]][reference["key"]]
            else:
                found[variable["name"]] = variable["value"] if "value" in variable else of_pod[variable["name"]]
        return {key: expanded(value, found) for key, value in found.items()}

    def start(self, name, command, variables, user=None, folder="/"):
        identity = ["setpriv", f"--reuid={user}", f"--regid={user}", *UNPRIVILEGED] if user else []
        with open(self.out / f"{name}.log", "w") as log:
            self.processes[name] = subprocess.Popen(
                ["nice", "-n", "19", *identity, *map(str, command)], env=variables, cwd=folder, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True)

    def end(self, name, number=signal.SIGTERM):
        process = self.processes.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, number)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)

    def end_all(self):
        # Those that use others first.
        for name in reversed(list(self.processes)):
            self.end(name, signal.SIGINT if name == "postgres" else signal.SIGTERM)


def expanded(text, variables):
    """$(NAME) in a value or an argument."""
    return re.sub(r"\$\((\w+)\)", lambda match: variables.get(match.group(1), match.group()), str(text))


def run(*command, **more):
    return subprocess.run(list(map(str, command)), check=True, **more)


def ask(url, headers=None, body=None, method=None, seconds=30):
    """Status, text and headers of the answer, whatever it is."""
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode(), refusal.headers


def wait(what, is_so, seconds):
    """Until it is so; prints how long that took."""
    begun, last = time.monotonic(), None
    while time.monotonic() - begun < seconds:
        try:
            if is_so():
                print(f"  {what}, after {time.monotonic() - begun:.1f} s", flush=True)
                return
        except (OSError, subprocess.CalledProcessError) as error:
            last = error
        time.sleep(0.3)
    raise Failed(f"not within {seconds} s: {what} ({last})")


def require(is_so, what):
    if not is_so:
        raise Failed(what)
    print(f"  {what}", flush=True)
