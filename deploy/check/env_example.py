"""What .env.example proposes."""

import re

import native_stack
from comparison import PORT_VARIABLES, URLS

# Variables that are no setting of a program, and who reads them.
PREFIX = "STACK_"
READERS = "the scripts of deploy/native, crates/test-stack and tests"
NATIVE = ("deploy/native/*.sh", "deploy/native/*.py", "crates/test-stack/src/*.rs", "tests/*/src/**/*.rs")


def compare(comparison, path):
    where = path.name
    text = path.read_text()
    comparison.topics_are_declared(where, text)
    programs = comparison.sources.programs() + [comparison.sources.tool()]
    native = "".join(file.read_text() for pattern in NATIVE for file in comparison.root.glob(pattern))
    names = re.findall(r"^(?:# ?)?([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE)
    if len(names) < 60:
        comparison.differ(where, f"only {len(names)} variables were found in it")
    for name, value in names:
        comparison.compared["variables"] += 1
        if name.startswith(PREFIX):
            # Some put the prefix before the name themselves.
            if name not in native and name.removeprefix(PREFIX) not in native:
                comparison.differ(where, f"{name} is read by none of {READERS}")
            continue
        readers = [program for program in programs
                   if name in program.variables or name.removeprefix(program.prefix + "_") in program.variables]
        if not readers:
            comparison.differ(where, f"no program reads {name}")
        for program in readers:
            bare = name.removeprefix(program.prefix + "_")
            if name != bare and bare in PORT_VARIABLES:
                comparison.port_is(where, bare, value, program)
    _addresses(comparison, where, dict(re.findall(r"^([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE)))


def _addresses(comparison, where, values):
    """Of our programs, and of the backing services where the native stack starts them."""
    for name in sorted(set(URLS) - set(values)):
        comparison.differ(where, f"{name} is not in it")
    for name, value in values.items():
        part = native_stack.part_of(name)
        if not comparison.url_is(where, name, value) and part:
            port = re.search(r":(\d+)(?=/|$)", value)
            wanted = native_stack.ports(comparison.root)[part]
            comparison.compared["ports"] += 1
            if not port or int(port.group(1)) != wanted:
                comparison.differ(where, f"{name} is {value}, and deploy/native/settings.sh has {part} on {wanted}")
