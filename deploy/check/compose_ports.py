"""The ports of a compose file: who listens where, what is published, and every address that names one of them."""

import re

import yaml

import native_stack
from comparison import URLS
from compose_variables import image_of, is_broker, variables_of
from sources import SERVICES

# Where servers of others listen, unless they are told otherwise.
OF_IMAGES = {"postgres": {5432}, "redis": {6379}, "prom/prometheus": {9090}, "grafana/grafana": {3000},
             "jaegertracing/jaeger": {4317, 16686}}
# Where they are told to: in the command, or in a file of ours.
IN_COMMAND = re.compile(r"(?:-s3\.port=|--address :)(\d+)")
IN_FILE = re.compile(r"^\s*(?:endpoint: 0\.0\.0\.0:|TCPSocket )(\d+)", re.MULTILINE)
# NAME:PORT; an image's version goes on behind the number, a sentence may end there.
ADDRESS = re.compile(r"(?<![\w.-])([a-z][a-z0-9-]*):(\d{2,5})(?![\w-]|\.\d)")
ON_LOOPBACK = re.compile(r"(?:localhost|127\.0\.0\.1):(\d+)")
LISTENER = re.compile(r"(\w+)://([\w.-]*):(\d+)")
PROXY = "docker/host-ports.cfg"
SCRAPED = "prometheus/prometheus.yml"


class Ports:
    """Of one compose file."""

    def __init__(self, comparison, path, services):
        self.comparison = comparison
        self.path = path
        self.where = path.relative_to(comparison.root).as_posix()
        self.services = services
        self.named = {}
        for name, service in services.items():
            for each in {name, *_aliases(service)}:
                self.named.setdefault(each, []).append(name)

    def place(self, name):
        return f"{self.where}, service {name}"

    def count(self, good, where, text):
        self.comparison.compared["ports"] += 1
        if not good:
            self.comparison.differ(where, text)

    def program(self, name):
        return self.comparison.program_of(self.services[name].get("command"))

    def listening(self, name):
        """Where others reach a service inside the network."""
        service, program = self.services[name], self.program(name)
        if program:
            return set(program.ports.values())
        if is_broker(service):
            return {port for listener, port in _listeners(service).items() if listener == "BROKER"}
        command = " ".join(map(str, service.get("command", [])))
        said = IN_COMMAND.findall(command) + [port for text in self.files(service) for port in IN_FILE.findall(text)]
        return {int(port) for port in said} or OF_IMAGES.get(image_of(service), set())

    def files(self, service):
        """Files of ours that a service reads."""
        for volume in service.get("volumes", []):
            source = self.path.parent / str(volume).split(":")[0]
            if str(volume).startswith("./") and source.is_file():
                yield source.read_text()

    def published(self):
        """For each port of the host: the services that have it, each with its own port."""
        found = {}
        for name, service in self.services.items():
            for entry in service.get("ports", []):
                host, target = _sides(entry)
                found.setdefault(host, {})[name] = target
        return found


def _aliases(service):
    networks = service.get("networks") or {}
    if not isinstance(networks, dict):
        return set()
    return {alias for network in networks.values() for alias in (network or {}).get("aliases", [])}


def _sides(entry):
    """The host's port and the container's."""
    if isinstance(entry, dict):
        return int(entry["published"]), int(entry["target"])
    sides = str(entry).split("/")[0].split(":")
    return int(sides[-2] if len(sides) > 1 else 0), int(sides[-1])


def _listeners(service):
    said = str(variables_of(service).get("KAFKA_LISTENERS", ""))
    return {listener: int(port) for listener, _, port in LISTENER.findall(said)}


def compare(comparison, path, services):
    ports = Ports(comparison, path, services)
    for name, service in services.items():
        _published(ports, name, service)
        _own(ports, name, service)
        _urls(ports, name, service)
        if is_broker(service):
            _broker(ports, name, service)
    _addresses(ports, ports.where, path.read_text())
    return ports


def _published(ports, name, service):
    """What is published is listened to, and has the number on the host that it has in the native stack."""
    program, place = ports.program(name), ports.place(name)
    who = program.name if program else name
    known = {_listeners(service).get("HOST")} if is_broker(service) else ports.listening(name)
    for entry in service.get("ports", []):
        host, target = _sides(entry)
        ports.count(target in known, place, f"publishes {target}, where {who} does not listen")
        wanted = target if program else _native(ports, name, service)
        if wanted:
            ports.count(host == wanted, place, f"publishes {target} as {host}, and the native stack has {wanted}")


def _native(ports, name, service):
    """The port of such a backing service in the native stack, of a broker by its number; None for what is not there."""
    root = ports.comparison.root
    if is_broker(service):
        return native_stack.port_of_node(root, int(variables_of(service).get("KAFKA_NODE_ID", 1)))
    names = {name, *_aliases(service)}
    return next((port for part, port in native_stack.ports(root).items() if part in names), None)


def _own(ports, name, service):
    """A health check asks where the service itself listens, and one of our programs at its admin port."""
    test = service.get("healthcheck", {}).get("test", [])
    program = ports.program(name)
    known = {program.ports.get("ADMIN_PORT")} if program else ports.listening(name)
    for number in ON_LOOPBACK.findall(test if isinstance(test, str) else " ".join(map(str, test))):
        ports.count(int(number) in known, ports.place(name), f"its health check asks {number}, which is not its port")


def _urls(ports, name, service):
    """Addresses for clients are those of the programs, inside the network and on the host."""
    published = ports.published()
    for variable, value in variables_of(service).items():
        value = str(value)
        if ports.comparison.url_is(ports.place(name), variable, value) or native_stack.part_of(variable):
            for number in ON_LOOPBACK.findall(value):
                ports.count(int(number) in published, ports.place(name),
                            f"{variable} is {value}, and nobody publishes {number}")


def _broker(ports, name, service):
    """Brokers say of themselves where they listen, and name each other's controllers by the numbers that they have."""
    place, variables, own = ports.place(name), variables_of(service), _listeners(service)
    for listener, host, port in LISTENER.findall(str(variables.get("KAFKA_ADVERTISED_LISTENERS", ""))):
        is_good = int(port) == own.get(listener) and (host == "localhost" or name in ports.named.get(host, []))
        ports.count(is_good, place, f"advertises {listener}://{host}:{port}, where it does not listen")
    voters = re.findall(r"(\d+)@([\w.-]+):(\d+)", str(variables.get("KAFKA_CONTROLLER_QUORUM_VOTERS", "")))
    ports.count(bool(voters), place, "names no voters")
    for number, host, port in voters:
        other = ports.services.get(name if host == "localhost" else host, {})
        is_good = (int(port) == _listeners(other).get("CONTROLLER")
                   and int(number) == int(variables_of(other).get("KAFKA_NODE_ID", 1)))
        ports.count(is_good, place, f"{number}@{host}:{port} is no controller")


def _addresses(ports, where, text):
    """Every NAME:PORT of a text, its comments too, where NAME is a service's."""
    for match in ADDRESS.finditer(text):
        host, port = match.group(1), int(match.group(2))
        names = ports.named.get(host, [])
        # Controllers have a rule of their own.
        if not names or is_broker(ports.services[names[0]]) and text[match.start() - 1] == "@":
            continue
        line = text.count("\n", 0, match.start()) + 1
        deaf = [name for name in names if port not in ports.listening(name)]
        ports.count(not deaf, f"{where}, line {line}", f"{host}:{port}, which is no port of {', '.join(deaf)}")


def compare_proxy(ports):
    """Inside the network, the addresses that the host has outside."""
    where = f"deploy/{PROXY}"
    text = (ports.path.parent / PROXY).read_text()
    published, bound = ports.published(), set()
    for block in re.split(r"^(?=\S)", text, flags=re.MULTILINE):
        bind = re.search(r"^\s+bind 127\.0\.0\.1:(\d+)$", block, re.MULTILINE)
        servers = re.findall(r"^\s+server \S+ ([\w-]+):(\d+)", block, re.MULTILINE)
        if not bind and not servers:
            continue
        port = int(bind.group(1)) if bind else 0
        bound.add(port)
        for host, target in servers:
            theirs = published.get(port, {})
            is_good = all(theirs.get(name) == int(target) for name in ports.named.get(host, [None]))
            ports.count(is_good, where, f"{port} leads to {host}:{target}, and the host's does not")
    programs = (ports.comparison.sources.service(program).ports[which] for url, (program, which) in URLS.items()
                if url.endswith("_PUBLIC_URL"))
    for port in sorted({*programs, native_stack.ports(ports.comparison.root)["object-store"]} - bound):
        ports.comparison.differ(where, f"{port} is not in it, which clients call")


def compare_scraped(ports):
    """Prometheus asks each program at its admin port."""
    where = f"deploy/{SCRAPED}"
    text = (ports.path.parent / SCRAPED).read_text()
    asked = set()
    jobs = yaml.safe_load(text)["scrape_configs"]
    for group in (group for job in jobs for group in job.get("static_configs", [])):
        for target in group["targets"]:
            host, _, port = target.partition(":")
            if host in SERVICES:
                asked.add(host)
                ports.comparison.port_is(where, "ADMIN_PORT", port, ports.comparison.sources.service(host))
                label = group.get("labels", {}).get("service")
                if label != host:
                    ports.comparison.differ(where, f"{target} has the label {label}")
            elif host not in ports.named:
                ports.comparison.differ(where, f"{target}: nobody has that name")
    for program in sorted(set(SERVICES) - asked):
        ports.comparison.differ(where, f"{program} is not asked")


def compare_given(ports, name):
    """Tests use each server that is composed for them, and start none of their own beside it."""
    told = " ".join(map(str, variables_of(ports.services[name]).values()))
    hosts = {match.group(1) for match in ADDRESS.finditer(told)}
    for other in sorted(set(ports.services) - {name}):
        ports.count(other in hosts, ports.place(name), f"is not told of {other}")
