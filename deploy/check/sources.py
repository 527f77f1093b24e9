"""What the programs' sources define: variables, ports, routes, topics, groups, metrics.

Read from the text, since nothing is to be compiled for it. Functions are found by their braces, and followed from a
service's `Config::read` through every function that is handed the reader. What is found is compared with the headers of
the files, which list the variables, and has to be as much as is plausible: a parser that understands nothing would find
nothing wrong.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

SERVICES = ("command-api", "query-api", "projector", "uploader")
STEPS = ("migrate", "topics", "buckets")
# Less than this is a parser that no longer fits the sources.
LEAST_VARIABLES = {"command-api": 60, "query-api": 50, "projector": 30, "uploader": 45, "migrate": 6, "topics": 11,
                   "buckets": 9}

NAME = r"[A-Z][A-Z0-9_]*[A-Z0-9]"
READER = r"(?:&mut\s+)?(?:reader|r)\b"
# reader.number("NAME", …), also with line breaks and a turbofish.
READ = re.compile(r"\b(?:reader|r)\s*\.\s*(\w+)(?:::<[^>]*>)?\(\s*\"(" + NAME + r")\"")
# own_secret(reader, "NAME")
HANDED_ON = re.compile(r"\(\s*" + READER + r"\s*,\s*\"(" + NAME + r")\"")
CONSTANT = re.compile(r"const \w+: &str = \"(" + NAME + r")\"")
CALL = re.compile(r"\b(?:(\w+)::)?(\w+)\s*\(\s*" + READER)
IN_HEADER = re.compile(r"`(" + NAME + r")`")
REQUIRED = {"required_text", "required_url", "secret"}
# Read only with one of the sasl_ protocols.
WITH_SASL = {"KAFKA_USERNAME", "KAFKA_PASSWORD"}


class Implausible(Exception):
    """The sources are not as this parser takes them to be."""


@dataclass
class Function:
    owner: str | None
    name: str
    body: str
    file: Path


@dataclass
class Program:
    name: str
    prefix: str
    variables: set = field(default_factory=set)
    required: set = field(default_factory=set)
    ports: dict = field(default_factory=dict)


def blanked(text):
    """The same text with comments and what is in strings replaced by blanks, so that braces can be counted."""
    pattern = re.compile(r"//[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])'", re.DOTALL)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def without_tests(text):
    return text.split("#[cfg(test)]", 1)[0]


def end_of_block(blank, begin):
    """The place behind the brace that closes the one at `begin`."""
    depth = 0
    for place in range(begin, len(blank)):
        depth += {"{": 1, "}": -1}.get(blank[place], 0)
        if depth == 0:
            return place + 1
    raise Implausible("a block does not end")


def functions_of(path):
    text = without_tests(path.read_text())
    blank = blanked(text)
    owners = []
    for match in re.finditer(r"^impl(?:<[^>]*>)?\s+(?:[\w:<>]+\s+for\s+)?(\w+)[^{]*\{", blank, re.MULTILINE):
        owners.append((match.start(), end_of_block(blank, match.end() - 1), match.group(1)))
    found = []
    # What stands between name and body may have an array's type in it, with a semicolon of its own.
    for match in re.finditer(r"\bfn\s+(\w+)(?:\[[^\]]*\]|[^;{\[])*\{", blank):
        begin = match.end() - 1
        end = end_of_block(blank, begin)
        owner = next((name for start, stop, name in owners if start < match.start() < stop), None)
        found.append(Function(owner, match.group(1), text[begin:end], path))
    return found


def read_directly(body):
    """Variables that a function names itself, each with the method that reads it."""
    # fault() says what is wrong with a variable, and reads none.
    found = {name: method for method, name in READ.findall(body) if method not in ("fault", "has_fault")}
    for name in HANDED_ON.findall(body) + CONSTANT.findall(body):
        found.setdefault(name, "text")
    if re.search(r"\b(?:reader|r)\s*\.\s*app_env\(\)", body):
        found["APP_ENV"] = "text"
    return found


class Sources:
    def __init__(self, root):
        self.root = Path(root)
        self.groups = sorted((self.root / "crates/service/src/config").glob("*.rs"))
        if len(self.groups) < 10:
            raise Implausible(f"only {len(self.groups)} files in crates/service/src/config")
        self.shared = [function for path in self.groups for function in functions_of(path)]
        self.check_headers()

    def check_headers(self):
        """A file's header lists the variables that are read in it."""
        own = [self.root / service / "src/config.rs" for service in SERVICES]
        for path in self.groups + own:
            if path.name in ("mod.rs", "reader.rs", "environment.rs", "errors.rs", "tls.rs"):
                continue
            header = "".join(line for line in path.read_text().splitlines(True) if line.startswith("//!"))
            listed = set(IN_HEADER.findall(header))
            found = {name for function in functions_of(path) for name in read_directly(function.body)}
            # Every group may ask for it, and one lists it.
            listed, found = listed - {"APP_ENV"}, found - {"APP_ENV"}
            if listed != found:
                raise Implausible(f"{path.relative_to(self.root)}: the header lists {sorted(listed - found)} that are "
                                  f"not read, and {sorted(found - listed)} are read that it does not list")

    def follow(self, function, own, seen=None):
        """All variables that are read from here on."""
        seen = set() if seen is None else seen
        if id(function) in seen:
            return {}
        seen.add(id(function))
        found = dict(read_directly(function.body))
        for owner, name in CALL.findall(function.body):
            owner = function.owner if owner == "Self" else owner or None
            for callee in own + self.shared:
                if (callee.owner, callee.name) == (owner, name):
                    found.update(self.follow(callee, own, seen))
        return found

    @lru_cache
    def service(self, name):
        path = self.root / name / "src/config.rs"
        own = functions_of(path)
        text = path.read_text()
        prefix = re.search(r"Environment::for_service\(\"(\w+)\"\)", text)
        entry = next((function for function in own if (function.owner, function.name) == ("Config", "read")), None)
        if not prefix or not entry:
            raise Implausible(f"{path}: no Config::read, or no prefix")
        methods = self.follow(entry, own)
        admin = re.search(r"ProcessConfig::read\(\s*\S+(?: \w+)?,\s*([\d_]+)\)", text)
        http = re.search(r"HttpConfig::read\(\s*\S+(?: \w+)?,\s*([\d_]+)\)", text)
        grpc = re.search(r"port\(\"GRPC_PORT\",\s*([\d_]+)\)", text)
        ports = {"ADMIN_PORT": admin, "PORT": http, "GRPC_PORT": grpc}
        return self.plausible(Program(
            name, prefix.group(1), set(methods), required_of(methods),
            {variable: int(match.group(1).replace("_", "")) for variable, match in ports.items() if match}))

    @lru_cache
    def step(self, name):
        """A subcommand of `depot`. The groups that it reads are named in its own file."""
        path = self.root / f"crates/cli/src/{name}.rs"
        own = functions_of(path)
        methods = {}
        for function in own:
            methods.update(self.follow(function, own))
            for group in re.findall(r"\bsettings::read\((\w+)::read\)", function.body):
                for callee in self.shared:
                    if (callee.owner, callee.name) == (group, "read"):
                        methods.update(self.follow(callee, []))
        if name == "migrate":
            roles = (self.root / "crates/migrate/src/roles.rs").read_text()
            methods.update(dict.fromkeys(re.findall(r"\"(\w+_DATABASE_URL)\"", roles), "text"))
        return self.plausible(Program(name, "DEPOT", set(methods), required_of(methods), {}))

    @lru_cache
    def tool(self):
        """All of `depot` together."""
        names = set()
        for path in sorted((self.root / "crates/cli/src").rglob("*.rs")):
            text = without_tests(path.read_text())
            names |= set(read_directly(text))
            # By the argument parser, or by the environment itself.
            names |= set(re.findall(r"(?:env = |\bvar(?:_os)?\()\"(" + NAME + r")\"", text))
        for step in STEPS:
            names |= self.step(step).variables
        # For the tokens that it prints.
        for function in self.shared:
            if function.file.name == "jwt.rs":
                names |= set(read_directly(function.body))
        return Program("depot", "DEPOT", names)

    def plausible(self, program):
        # Whether .env is read hangs on it, wherever settings come from.
        program.variables.add("APP_ENV")
        least = LEAST_VARIABLES[program.name]
        if len(program.variables) < least:
            raise Implausible(f"{program.name}: only {len(program.variables)} variables found, and {least} are there")
        if program.name in SERVICES and "ADMIN_PORT" not in program.ports:
            raise Implausible(f"{program.name}: no admin port found")
        return program

    def programs(self):
        return [self.service(name) for name in SERVICES] + [self.step(name) for name in STEPS]

    def program(self, name):
        return self.service(name) if name in SERVICES else self.step(name)

    @lru_cache
    def default_of_process(self, name):
        """The number that every service takes where nobody says one."""
        path = self.root / "crates/service/src/config/process.rs"
        match = re.search(rf"\"{name}\",\s*([\d_]+),", without_tests(path.read_text()))
        if not match:
            raise Implausible(f"{path}: no default of {name}")
        return int(match.group(1).replace("_", ""))

    @lru_cache
    def routes(self):
        """Of the admin port."""
        text = (self.root / "crates/service/src/health/routes.rs").read_text()
        found = set(re.findall(r"\.route\(\"(/[^\"]*)\"", text))
        if not {"/livez", "/metrics"} <= found:
            raise Implausible("the admin routes are not where they are looked for")
        return found

    @lru_cache
    def declaration(self):
        return without_tests((self.root / "schemas/src/topics.rs").read_text())

    def partitions(self):
        match = re.search(r"PARTITIONS: i32 = (\d+);", self.declaration())
        if not match:
            raise Implausible("no number of partitions in schemas/src/topics.rs")
        return int(match.group(1))

    @lru_cache
    def topics(self, prefix="depot"):
        """As `Topics::declared` lists them."""
        text = self.declaration()
        entities = re.findall(r"Self::\w+ => \"(\w+)\"", text)
        retries = re.search(r"UPLOAD_RETRIES[^=]*= \[(.*?)\];", text, re.DOTALL)
        groups = re.search(r"REDRIVEN_GROUPS[^=]*= \[(.*?)\];", text, re.DOTALL)
        formats = re.findall(r"format!\(\"(\{\}[^\"]*)\"", text)
        if len(entities) != 3 or not retries or not groups or len(formats) < 6:
            raise Implausible("schemas/src/topics.rs is not as it was when this was written")
        values = {
            "{}.{}.v1": entities,
            "{}.{}.dlq.v1": entities,
            "{}.uploads.retry.{delay}.v1": re.findall(r"\(\"(\w+)\"", retries.group(1)),
            "{}.{group}.retry.v1": re.findall(r"\"([\w-]+)\"", groups.group(1)),
        }
        found = set()
        for form in formats:
            if form == "{}.{name}":
                continue  # A group's name.
            if form.count("{") == 1:
                found.add(form.format(prefix))
                continue
            if form not in values:
                raise Implausible(f"schemas/src/topics.rs has topics of the form {form}, which is not known here")
            named = re.sub(r"\{\w*\}", "{}", form)
            found |= {named.format(prefix, value) for value in values[form]}
        if len(found) < 14:
            raise Implausible(f"only {len(found)} topics found")
        return found

    @lru_cache
    def groups_of(self, prefix="depot"):
        found = set()
        for service in SERVICES:
            for path in (self.root / service / "src").rglob("*.rs"):
                found |= set(re.findall(r"topics\.group\(\"([\w-]+)\"\)", without_tests(path.read_text())))
        if len(found) < 5:
            raise Implausible(f"only {len(found)} consumer groups found")
        return {f"{prefix}.{name}" for name in found}

    @lru_cache
    def metrics(self):
        found = set()
        for folder in [*SERVICES, "crates"]:
            for path in (self.root / folder).rglob("src/**/*.rs"):
                found |= set(re.findall(r"\"(depot_[a-z0-9_]+)\"", path.read_text()))
        if len(found) < 40:
            raise Implausible(f"only {len(found)} metrics found")
        return found

    def version(self):
        return re.search(r"^version = \"([^\"]+)\"", (self.root / "Cargo.toml").read_text(), re.MULTILINE).group(1)


def required_of(methods):
    return {name for name, method in methods.items() if method in REQUIRED} - WITH_SASL
