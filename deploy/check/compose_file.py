"""What the compose files tell the programs, and where they say that these listen."""

import yaml

import compose_ports
import compose_variables
from comparison import PORT_VARIABLES
from compose_variables import variables_of
from sources import SERVICES, STEPS


def services_of(path):
    """The services of a compose file, with what they extend."""
    found = {}
    for name, service in yaml.safe_load(path.read_text())["services"].items():
        extended = service.get("extends")
        if extended:
            other = path.parent / extended["file"] if "file" in extended else path
            base = yaml.safe_load(other.read_text())["services"][extended["service"]]
            service = {**base, **service, "environment": {**variables_of(base), **variables_of(service)}}
        found[name] = service
    return found


def compare(comparison, path):
    """The file that people run."""
    where = path.relative_to(comparison.root).as_posix()
    document = yaml.safe_load(path.read_text())
    services = services_of(path)
    found = _services(comparison, where, services, set(document.get("x-environment", {})))
    missing = {*SERVICES, *STEPS, "depot"} - found
    if missing:
        comparison.differ(where, f"no service of it runs {', '.join(sorted(missing))}")
    ports = compose_ports.compare(comparison, path, services)
    compose_ports.compare_proxy(ports)
    compose_ports.compare_scraped(ports)
    _files(comparison, path)


def compare_tests(comparison, path):
    """The file that runs the tests."""
    services = services_of(path)
    _services(comparison, path.relative_to(comparison.root).as_posix(), services, set())
    compose_ports.compare_given(compose_ports.compare(comparison, path, services), "tests")
    _files(comparison, path)


def _services(comparison, where, services, shared):
    """Returns the programs that were found."""
    found = set()
    for name, service in services.items():
        place = f"{where}, service {name}"
        program = comparison.program_of(service.get("command"))
        if program:
            found.add(program.name)
            compose_variables.compare_program(comparison, place, service, program, shared)
            for variable, value in variables_of(service).items():
                if variable in PORT_VARIABLES and str(value).isdigit():
                    comparison.port_is(place, variable, value, program)
        else:
            compose_variables.compare_other(comparison, place, name, service)
    return found


def _files(comparison, path):
    """Topics that a file names, and files; those of a file that is extended lie where that one lies."""
    document = yaml.safe_load(path.read_text())
    extended = [service.get("extends", {}) for service in document["services"].values()]
    others = {path.parent / each["file"] for each in extended if "file" in each}
    for file in (path, *sorted(others)):
        where = file.relative_to(comparison.root).as_posix()
        if file.exists():
            comparison.topics_are_declared(where, file.read_text())
            _paths(comparison, where, file)
        else:
            comparison.differ(where, "is not there")


def _paths(comparison, where, path):
    folder = path.parent
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
