"""The variables of a compose file's services, compared with who reads them: programs, scripts, brokers."""

import re

import native_stack

# Services that run scripts of ours, which read what they are told.
SCRIPTS = {
    "load": ("loadtest/attack.sh", "loadtest/targets.py"),
    "minio-setup": ("deploy/docker/minio/setup.sh",),
    # What is given is used, and not started.
    "tests": ("deploy/native/settings.sh",),
}
# Of the scripts' interpreter, and of MinIO's client.
OF_THEIR_TOOLS = re.compile(r"PYTHON[A-Z]+|MC_HOST_[a-z]+")
DEFAULT = re.compile(r"\$\{\w+:?-([^}]*)\}")
IN_SHELL = re.compile(r"\$\{?([A-Z][A-Z0-9_]+)\b")
IN_PYTHON = re.compile(r"\benviron(?:\.get\(|\[)\"([A-Z][A-Z0-9_]+)\"")
# Of Kafka's own scripts, which start the JVM; every other name is that of a setting.
OF_KAFKAS_SCRIPTS = {"KAFKA_HEAP_OPTS"}
# Their variables are of programs whose sources are not here.
FOREIGN = {"postgres", "object-store", "minio", "jaeger", "grafana"}


def variables_of(service):
    """With the values that they have where whoever runs this says nothing."""
    variables = service.get("environment", {})
    if isinstance(variables, list):
        variables = dict(entry.partition("=")[::2] for entry in variables)
    return {name: DEFAULT.sub(r"\1", value) if isinstance(value, str) else value for name, value in variables.items()}


def image_of(service):
    """The name alone."""
    return service.get("image", "").partition("@")[0].rpartition(":")[0]


def is_broker(service):
    return image_of(service) == "apache/kafka"


def compare_program(comparison, place, service, program, shared):
    """What all programs are told together, `shared`, need not be read by each, but by one."""
    everybodys = {name for each in comparison.sources.programs() for name in each.variables}
    everybodys |= comparison.sources.tool().variables
    variables = variables_of(service)
    for name in variables:
        if name in shared and name in everybodys:
            comparison.compared["variables"] += 1
        else:
            comparison.variable_is_read(place, name, program)
    comparison.required_is_set(place, variables, program)


def compare_other(comparison, place, name, service):
    """A service that runs none of our programs."""
    variables = variables_of(service)
    if is_broker(service):
        _broker(comparison, place, variables)
    elif name in SCRIPTS:
        runs_tool = any("depot " in str(word) for word in service.get("command", []))
        _scripts(comparison, place, variables, SCRIPTS[name], comparison.sources.tool() if runs_tool else None)
    elif variables and name not in FOREIGN:
        comparison.differ(place, "has variables, and nothing is known that reads them")


def _broker(comparison, place, variables):
    known = native_stack.names_of_kafka(comparison.root)
    for name in sorted(set(variables) - OF_KAFKAS_SCRIPTS):
        comparison.compared["variables"] += 1
        # As the image makes a setting's name of it.
        if name.removeprefix("KAFKA_").lower().replace("_", ".") not in known:
            comparison.differ(place, f"{name} is no setting that deploy/native has")


def _scripts(comparison, place, variables, scripts, tool):
    text = "".join((comparison.root / script).read_text() for script in scripts)
    read = set(IN_SHELL.findall(text)) | set(IN_PYTHON.findall(text))
    if tool:
        read |= tool.variables
    for name in variables:
        comparison.compared["variables"] += 1
        if name not in read and not OF_THEIR_TOOLS.fullmatch(name):
            comparison.differ(place, f"none of {', '.join(scripts)} reads {name}")
