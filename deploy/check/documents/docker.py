"""`docker`: compose files by compose-go's loader, Dockerfiles and images by what is in them."""

import json
import pathlib
import re
import subprocess
import sys

from images import Dockerfile
from sources import SERVICES
from stand_in import Arguments, called, keep, real, refuse, state

# Flags by command; True: with a value.
COMPOSE = {"-f": True, "--profile": True}
OF_COMPOSE = {
    "up": {
        "--build": False, "-d": False, "--no-deps": False, "--wait": False, "--abort-on-container-exit": False,
        "--exit-code-from": True,
    },
    "run": {"--build": False, "--rm": False, "--name": True},
    "ps": {},
    "logs": {"-f": False},
    "down": {"--volumes": False},
}
BUILD = {"-f": True, "-t": True, "--build-arg": True}
RUN = {"--rm": False, "-e": True, "--read-only": False, "--cap-drop": True, "--security-opt": True}
DIGEST = "sha256:" + 64 * "0"
# A registry that an example names, where somebody has pushed the image.
OF_EXAMPLE = re.compile(r"registry\.example\.com/depot:\d+\.\d+\.\d+$")


def subcommands():
    """Of the tool, from its source."""
    source = pathlib.Path("crates/cli/src/main.rs").read_text(encoding="utf-8")
    variants = re.findall(r"^    (\w+)\(", source[source.index("enum Command {"):], re.M)
    return {re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() for name in variants}


def is_command_of_image(command):
    """Whether the image has what it is to run."""
    if not command:
        return
    program, *rest = command
    if program not in {*SERVICES, "depot"}:
        refuse(f"{program} is not in the image")
    if program == "depot" and rest[0] not in subcommands() and not rest[0].startswith("--"):
        refuse(f"depot has no command {rest[0]}")


def compose(arguments):
    given = arguments.flags(COMPOSE)
    if len(given.get("-f", [])) != 1:
        refuse("names no compose file")
    path = pathlib.Path(given["-f"][0])
    command = ["compose-spec", "--format", "json", path.name]
    # Without the variables of whoever runs this.
    environment = {"PATH": real()["PATH"], "HOME": "/"}
    loaded = subprocess.run(
        command, cwd=path.parent, env=environment, capture_output=True, text=True, check=False)
    if loaded.returncode:
        refuse(loaded.stderr.strip())
    services = json.loads(loaded.stdout)["services"]
    profiles = set(given.get("--profile", []))
    known = {profile for service in services.values() for profile in service.get("profiles", [])}
    if profiles - known:
        refuse(f"there is no profile {', '.join(profiles - known)}")
    active = {
        name for name, service in services.items()
        if not service.get("profiles") or profiles & set(service["profiles"])
    }
    what = arguments.word("a command")
    if what not in OF_COMPOSE:
        refuse(f"does not know {what}")
    options = arguments.flags(OF_COMPOSE[what])
    if what == "run":
        name = arguments.word("a service")
        is_active(name, services, active)
        run_service(services, name, arguments.rest)
        if "--name" in options:
            changed = state()
            changed["containers"] += options["--name"]
            keep(changed)
        return
    if what == "down" and arguments.rest:
        refuse("down takes no services here")
    for name in [*arguments.rest, *options.get("--exit-code-from", [])]:
        is_active(name, services, active)


def is_active(name, services, active):
    if name not in services:
        refuse(f"there is no service {name}")
    if name not in active:
        refuse(f"{name} is of the profiles {', '.join(services[name]['profiles'])}, of which none is on")


def run_service(services, name, command):
    hosts = set(services)
    for service in services.values():
        for network in (service.get("networks") or {}).values():
            hosts.update((network or {}).get("aliases", []))
    for host in (found[1] for word in command if (found := re.fullmatch(r"([a-z][a-z0-9.-]*):\d+", word))):
        if host not in hosts:
            refuse(f"nobody is called {host}")
    if "build" in services[name] and command[:1] and services[name]["build"].get("target") in (None, "depot"):
        is_command_of_image(command)


def build(arguments):
    options, words = arguments.all(BUILD)
    if len(words) != 1 or not pathlib.Path(words[0]).is_dir():
        refuse("wants one folder")
    path = pathlib.Path(options["-f"][0])
    if not path.is_file():
        refuse(f"{path} is not there")
    dockerfile = Dockerfile(path.read_text(encoding="utf-8"))
    taken = set().union(*(stage["arguments"] for stage in dockerfile.stages.values()))
    for argument in options.get("--build-arg", []):
        name, equals, value = argument.partition("=")
        if name not in taken:
            refuse(f"{path} takes no {name}")
        if not equals or not value:
            refuse(f"{name} has no value")
    changed = state()
    changed["images"] += options.get("-t", [])
    keep(changed)


def is_there(image):
    if image not in state()["images"] and not OF_EXAMPLE.match(image):
        refuse(f"nobody has built {image}")


def run(arguments):
    arguments.flags(RUN)
    is_there(arguments.word("an image"))
    is_command_of_image(arguments.rest)
    print("what it prints")


def tag(arguments):
    is_there(arguments.word("an image"))
    changed = state()
    changed["images"].append(arguments.word("its new name"))
    keep(changed)


def image(arguments):
    if arguments.word("a command") != "inspect":
        refuse("does not know that")
    options, (name,) = arguments.all({"--format": True})
    is_there(name)
    if "RepoDigests" in options["--format"][0]:
        for other in state()["images"]:
            print(f"{other.rpartition(':')[0]}@{DIGEST}")
    else:
        print("1")


def copy(arguments):
    container = arguments.word("a container").partition(":")[0]
    if container not in state()["containers"]:
        refuse(f"there is no container {container}")


def main():
    called()
    arguments = Arguments(sys.argv[1:])
    what = arguments.word("a command")
    commands = {
        "compose": compose, "build": build, "run": run, "tag": tag, "image": image, "cp": copy, "rm": copy,
        "push": lambda rest: is_there(rest.word("an image")),
    }
    if what not in commands:
        refuse(f"does not know {what}")
    commands[what](arguments)


main()
