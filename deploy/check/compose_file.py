"""What the compose file tells the programs, and where it says that they listen."""

import re

import yaml

from comparison import PORT_VARIABLES
from sources import SERVICES, STEPS


def services_of(path):
    """The services of a compose file, with what they extend."""
    found = {}
    for name, service in yaml.safe_load(path.read_text())["services"].items():
        extended = service.get("extends")
        if extended:
            other = path.parent / extended["file"] if "file" in extended else path
            base = yaml.safe_load(other.read_text())["services"][extended["service"]]
            service = {**base, **service, "environment": {**_variables(base), **_variables(service)}}
        found[name] = service
    return found


def _variables(service):
    variables = service.get("environment", {})
    return dict(entry.partition("=")[::2] for entry in variables) if isinstance(variables, list) else variables


def compare(comparison, path):
    where = path.relative_to(comparison.root).as_posix()
    text = path.read_text()
    comparison.topics_are_declared(where, text)
    everybodys = {name for program in comparison.sources.programs() for name in program.variables}
    everybodys |= comparison.sources.tool().variables
    found = 0
    for name, service in services_of(path).items():
        program = comparison.program_of(service.get("command"))
        if not program:
            continue
        found += 1
        place = f"{where}, service {name}"
        variables = _variables(service)
        for variable, value in variables.items():
            # What all of them are told together need not be read by each.
            if variable in everybodys:
                comparison.compared["variables"] += 1
            else:
                comparison.variable_is_read(place, variable, program)
            if variable in PORT_VARIABLES and str(value).isdigit():
                comparison.port_is(place, variable, value, program)
        comparison.required_is_set(place, variables, program)
        _ports(comparison, place, service, program)
        url = str(variables.get("UPLOADER_ADMIN_URL", ""))
        if program.name == "command-api" and url:
            comparison.port_is(place, "ADMIN_PORT", url.rsplit(":", 1)[-1], comparison.sources.service("uploader"))
    if found < len(SERVICES) + len(STEPS):
        comparison.differ(where, f"only {found} services of ours were found in it")
    _paths(comparison, where, path)
    # Files that are extended name theirs by where they are themselves.
    document = yaml.safe_load(text)
    extended = [service.get("extends", {}) for service in document["services"].values()]
    for other in sorted({each["file"] for each in extended if "file" in each}):
        _paths(comparison, other, path.parent / other)


def _ports(comparison, place, service, program):
    known = set(program.ports.values())
    for published in service.get("ports", []):
        short = str(published).split("/")[0].rsplit(":", 1)[-1]
        target = published["target"] if isinstance(published, dict) else short
        comparison.compared["ports"] += 1
        if int(target) not in known:
            comparison.differ(place, f"publishes {target}, where {program.name} does not listen")
    test = service.get("healthcheck", {}).get("test", [])
    for word in test.split() if isinstance(test, str) else test:
        number = re.search(r"(?:^|:)(\d{2,5})(?:/|$)", str(word))
        if number:
            comparison.port_is(f"{place}, healthcheck", "ADMIN_PORT", number.group(1), program)


def _paths(comparison, where, path):
    folder = path.parent
    if not path.exists():
        comparison.differ(where, "is not there")
        return
    for name, service in yaml.safe_load(path.read_text())["services"].items():
        build = service.get("build")
        if isinstance(build, dict):
            context = folder / build.get("context", ".")
            wanted = [context / build.get("dockerfile", "Dockerfile")]
        else:
            wanted = []
        for volume in service.get("volumes", []):
            source = volume.get("source", "") if isinstance(volume, dict) else volume.split(":")[0]
            if source.startswith("."):
                wanted.append(folder / source)
        for file in wanted:
            comparison.compared["paths"] += 1
            if not file.exists():
                comparison.differ(f"{where}, service {name}", f"{file} is not there")
