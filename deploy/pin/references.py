"""Where a file names an image or an action, and the same line with what the name stands for."""

import re

IMAGE = r"(?P<name>[\w./:-]+?):(?P<tag>[\w.-]+)(?P<digest>@sha256:[0-9a-f]{64})?"
IN_YAML = re.compile(rf"^(?P<before>\s*(?:-\s+)?(?:image|container):\s*[\"']?){IMAGE}(?P<after>[\"']?\s*(?:#.*)?)$")
IN_DOCKERFILE = re.compile(rf"^(?P<before>FROM\s+(?:--\S+\s+)*){IMAGE}(?P<after>(?:\s+AS\s+\S+)?\s*)$", re.IGNORECASE)
ACTION = re.compile(
    r"^(?P<before>\s*(?:-\s+)?uses:\s*)(?P<repository>[\w.-]+/[\w.-]+)(?P<path>(?:/[\w./-]+)?)"
    r"@(?P<ref>[\w.-]+)(?:\s+#\s*(?P<version>\S+))?\s*$"
)
COMMIT = re.compile(r"^[0-9a-f]{40}$")
# Built here, so that no registry has it.
OURS = re.compile(r"^depot(-[a-z]+)?$")
# Names an image or an action, in a form that is not understood; a variable, for example.
NAMED = re.compile(r"^\s*(?:-\s+)?(?:image|uses):\s*[\"']?[^\s\"'#]|^FROM\s+\S", re.IGNORECASE)


def of_image(line):
    """The match of a line that names an image of somebody else."""
    match = IN_DOCKERFILE.match(line) or IN_YAML.match(line)
    return match if match and not OURS.match(match["name"]) else None


def of_action(line):
    return ACTION.match(line)


def version_of(action):
    """The tag that is meant: beside a commit it stands in the comment. None if nobody has written it."""
    return action["version"] if COMMIT.match(action["ref"]) else action["ref"]


def with_digest(match, digest):
    return f"{match['before']}{match['name']}:{match['tag']}@{digest}{match['after']}"


def with_commit(match, version, commit):
    return f"{match['before']}{match['repository']}{match['path']}@{commit} # {version}"


def is_passed_over(line, stages):
    """Whether a line names something that is not pinned and should be looked at by a person."""
    if not NAMED.match(line) or of_image(line) or of_action(line):
        return False
    named = re.split(r"[\s:]+", line.strip().lstrip("- "), maxsplit=1)[1].strip("\"'").split()[0]
    return not (named == "scratch" or named in stages or named.startswith("./") or OURS.match(named.partition(":")[0]))
