"""`helm`: what the real one renders, and flags that it knows."""

import re
import subprocess
import sys

import cluster
from stand_in import called, keep, real, refuse, state


def known_flags(command):
    said = subprocess.run(["helm", command, "--help"], env=real(), capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(?<![\w-])(--?[a-zA-Z][\w-]*)", said[said.index("\nFlags:"):]))


def main():
    called()
    command, *rest = sys.argv[1:]
    if command not in ("install", "upgrade", "history", "rollback"):
        refuse(f"does not know {command}")
    known = known_flags(command)
    for word in rest:
        if word.startswith("-") and word.partition("=")[0] not in known:
            refuse(f"does not know {word}")
    if rest[rest.index("-n") + 1] != "depot" or rest[0] != "depot":
        refuse("is of another release, or another namespace")
    changed = state()
    if command == "install" and changed["revisions"]:
        refuse("it is installed")
    if command != "install" and not changed["revisions"]:
        refuse("nothing is installed yet")
    if command in ("install", "upgrade"):
        # `helm template` waits for nobody.
        if "--timeout" in rest:
            at = rest.index("--timeout")
            if not re.fullmatch(r"(\d+h)?(\d+m)?(\d+s)?", rest[at + 1]):
                refuse(f"{rest[at + 1]} is no duration")
            del rest[at:at + 2]
        template = ["helm", "template", *rest] + (["--is-upgrade"] if command == "upgrade" else [])
        rendered = subprocess.run(template, env=real(), capture_output=True, text=True, check=False)
        if rendered.returncode:
            refuse(rendered.stderr.strip())
        cluster.apply(changed, cluster.read(rendered.stdout), "depot")
    if command == "rollback" and not 1 <= int(rest[1]) <= changed["revisions"]:
        refuse(f"there is no revision {rest[1]}")
    if command != "history":
        changed["revisions"] += 1
    keep(changed)


main()
