"""What is compared with the sources, whatever it was read from."""

import re

from sources import SERVICES, STEPS, WITH_SASL, Sources

TOPIC = re.compile(r"\b[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+\.v\d+\b")
METRIC = re.compile(r"\bdepot_[a-z0-9_]+\b")
# Roles of the database are called like metrics.
ROLES = {"depot_owner", "depot_command", "depot_uploader", "depot_projector", "depot_query", "depot_operator"}
PORT_VARIABLES = ("PORT", "GRPC_PORT", "ADMIN_PORT")
# Addresses of our programs that others are told, each with whose port of which name it has.
URLS = {"COMMAND_PUBLIC_URL": ("command-api", "PORT"), "QUERY_PUBLIC_URL": ("query-api", "PORT"),
        "GRPC_PUBLIC_URL": ("query-api", "GRPC_PORT"), "UPLOADER_ADMIN_URL": ("uploader", "ADMIN_PORT"),
        **{f"{name.upper().replace('-', '_')}_ADMIN_URLS": (name, "ADMIN_PORT") for name in SERVICES}}


class Comparison:
    def __init__(self, root):
        self.root = root
        self.sources = Sources(root)
        self.differences = []
        self.compared = {"variables": 0, "ports": 0, "paths": 0, "topics": 0, "metrics": 0, "identities": 0}

    def differ(self, where, text):
        self.differences.append(f"{where}: {text}")

    def variable_is_read(self, where, name, program):
        """A bare name, or one with the program's prefix."""
        self.compared["variables"] += 1
        bare = name.removeprefix(program.prefix + "_")
        if name not in program.variables and bare not in program.variables:
            self.differ(where, f"{program.name} does not read {name}")
            return False
        return True

    def required_is_set(self, where, names, program):
        protocol = str(names.get("KAFKA_SECURITY_PROTOCOL") or "")
        with_sasl = WITH_SASL & program.variables if protocol.startswith("sasl_") else set()
        for name in sorted(program.required | with_sasl):
            if name not in names and f"{program.prefix}_{name}" not in names:
                self.differ(where, f"{program.name} needs {name}, which is not set")

    def port_is(self, where, variable, value, program):
        self.compared["ports"] += 1
        if int(value) != program.ports.get(variable):
            self.differ(where, f"{variable} is {value}, and {program.name} has {program.ports.get(variable)}")

    def url_is(self, where, variable, url):
        """An address that is one of URLS has the port of the program that it leads to. Says whether it is one."""
        name = next((name for name in URLS if variable == name or variable.endswith("_" + name)), None)
        if not name:
            return False
        program, which = URLS[name]
        port = re.search(r":(\d+)/?$", url)
        if port:
            self.port_is(f"{where}, {variable}", which, port.group(1), self.sources.service(program))
        else:
            self.differ(where, f"{variable} is {url}, and names no port")
        return True

    def topics_are_declared(self, where, text, prefix="depot"):
        for topic in set(TOPIC.findall(text)):
            if topic.startswith(prefix + "."):
                self.compared["topics"] += 1
                if topic not in self.sources.topics(prefix):
                    self.differ(where, f"{topic} is no topic of schemas/src/topics.rs")
        for metric in set(METRIC.findall(text)) - ROLES:
            self.compared["metrics"] += 1
            if metric not in self.sources.metrics():
                self.differ(where, f"{metric} is no metric of the sources")

    def program_of(self, command):
        words = command.split() if isinstance(command, str) else command or []
        if words[:1] == ["depot"]:
            return self.sources.step(words[1]) if words[1:] and words[1] in STEPS else self.sources.tool()
        return self.sources.service(words[0]) if words and words[0] in SERVICES else None

    def route(self, place, path):
        self.compared["paths"] += 1
        if path not in self.sources.routes():
            self.differ(place, f"{path} is none of the admin port's paths")
