"""What .env.example proposes."""

import re

from comparison import PORT_VARIABLES

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
    admin = re.search(r"^UPLOADER_ADMIN_URL=.*:(\d+)$", text, re.MULTILINE)
    comparison.port_is(where, "ADMIN_PORT", admin.group(1), comparison.sources.service("uploader"))
