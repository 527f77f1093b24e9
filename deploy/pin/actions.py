"""The commit of an action's tag, as its repository has it."""

import os
import subprocess

from registry import CannotResolve

TIMEOUT_SECONDS = 60


def commit(repository, version):
    """Of a lightweight tag its own, of an annotated one what it points to. Raises CannotResolve."""
    url = f"{os.environ.get('PIN_GITHUB', 'https://github.com')}/{repository}"
    tag = f"refs/tags/{version}"
    command = ["git", "ls-remote", url, tag, tag + "^{}"]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        run = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired as late:
        raise CannotResolve(f"{url} gives no answer within {TIMEOUT_SECONDS} s") from late
    if run.returncode != 0:
        raise CannotResolve(f"{url} gives no answer: {run.stderr.strip()}")
    commits = {name: commit for commit, _, name in (line.partition("\t") for line in run.stdout.splitlines())}
    found = commits.get(tag + "^{}") or commits.get(tag)
    if found is None:
        raise CannotResolve(f"{url} has no tag {version}")
    return found
