#!/usr/bin/env python3
"""What no tool knows of the workflows: workflows.py FOLDER, of a repository.

Jobs and make targets that have to be there, releases that are named exactly, rights by job, and that the servers of the
matrix are configured as the stack's are. Prints what is wrong and ends with 1, or with 0.
"""

import pathlib
import re
import shlex
import sys

from ruamel.yaml import YAML

from images import split_name, why_not_exact

# What each job is for: the same that a person types. What it needs before that, it may do by itself.
CALLS = {
    "lint": {"lint", "lint-scripts"},
    "unit-test": {"unit-test"},
    "contracts": {"contracts", "check-contracts", "sqlx-check"},
    "deploy": {"check-deploy", "check-deploy-planted"},
    "dependencies": {"deny", "advisories"},
    "build": {"image"},
    "integration-test": {"integration-test"},
    "publish": {"release-check", "image-push"},
}
JOBS = set(CALLS)
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
# A tag of one release, or the commit that `make pin` wrote before it.
EXACT_ACTION = re.compile(r"^\S+@(v\d+\.\d+\.\d+|[0-9a-f]{40}\s+#\s*v\d+\.\d+\.\d+)$")
USES = re.compile(r"^\s*(?:-\s+)?uses:\s*(.+?)\s*$", re.MULTILINE)
ENDS_A_COMMAND = {"&&", "||", ";", "|", "&"}
SETTINGS = "deploy/native/kafka/server.properties"
# Of the jobs that end in something which others take for ours, and nobody else's.
WRITERS = {("ci.yml", "publish"), ("release.yml", "release")}


class Findings:
    def __init__(self, root):
        self.root = root
        self.found = []
        self.targets = set(TARGET.findall((root / "Makefile").read_text()))

    def add(self, where, what):
        self.found.append(f"{where}: {what}")


def commands(script):
    """The commands of a step, each as its words."""
    for line in script.replace("\\\n", " ").splitlines():
        command = []
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        for word in lexer:
            if word in ENDS_A_COMMAND:
                yield command
                command = []
            else:
                command.append(word)
        yield command


def is_assignment(word):
    return re.match(r"^[A-Za-z_]\w*=", word) is not None


def check_commands(findings, where, job):
    for step in job.get("steps", []):
        for command in commands(step.get("run", "")):
            words = [word for word in command if not is_assignment(word)]
            if words[:1] == ["make"]:
                for target in set(words[1:]) - findings.targets:
                    findings.add(where, f"the Makefile has no target {target}")
            elif words and "/" in words[0] and not (findings.root / words[0]).is_file():
                findings.add(where, f"there is no {words[0]}")


def check_calls(findings, name, job):
    words = [word for step in job.get("steps", []) for command in commands(step.get("run", "")) for word in command]
    made = {word for before, word in zip(words, words[1:]) if before == "make"}
    for target in sorted(CALLS[name] - made):
        findings.add(f"ci.yml, {name}", f"does not call make {target}")


def images_of(job):
    """Every image that a job runs, those of its matrix instead of the expressions that name them."""
    entries = [job.get("container"), *job.get("services", {}).values()]
    for case in job.get("strategy", {}).get("matrix", {}).get("include", []):
        entries += [value for value in case.values() if isinstance(value, dict)]
    for entry in entries:
        image = entry.get("image") if isinstance(entry, dict) else entry
        if image and "${{" not in image:
            yield image


def check_job(findings, where, key, job):
    check_commands(findings, where, job)
    for step in job.get("steps", []):
        # A misspelt one, too: the linters know the inputs of those versions alone that were out when they were.
        if step.get("uses", "").startswith("actions/checkout@") and step.get("with") != {"persist-credentials": False}:
            findings.add(where, "a checkout keeps its token")
    for image in images_of(job):
        why = why_not_exact(image)
        if why:
            findings.add(where, f"{image} {why}")
    if "timeout-minutes" not in job:
        findings.add(where, "has no timeout-minutes")
    rights = job.get("permissions")
    if not isinstance(rights, dict):
        findings.add(where, "does not say its permissions")
    elif "write" in rights.values() and key not in WRITERS:
        findings.add(where, "may write")


def check_workflow(findings, path, workflow):
    if workflow.get("permissions") != {}:
        findings.add(path.name, "permissions of the whole are not {}")
    if "concurrency" not in workflow:
        findings.add(path.name, "has no concurrency")
    for named in USES.findall(path.read_text()):
        if not named.startswith("./") and not EXACT_ACTION.match(named):
            findings.add(path.name, f"{named} names no single release")
    for name, job in workflow["jobs"].items():
        check_job(findings, f"{path.name}, {name}", (path.name, name), job)


def check_publish(findings, job):
    condition = job.get("if", "")
    if "github.event_name == 'push'" not in condition or "startsWith(github.ref, 'refs/tags/v')" not in condition:
        findings.add("ci.yml, publish", "is not for a tag alone")
    missing = JOBS - {"publish"} - set(job.get("needs", []))
    if missing:
        findings.add("ci.yml, publish", f"does not wait for {', '.join(sorted(missing))}")


def check_matrix(findings, job):
    where = "ci.yml, integration-test"
    versions = {}
    for image in images_of(job):
        name, tag, _ = split_name(image)
        versions.setdefault(name, set()).add(tag)
    backing = findings.root / "deploy/docker/docker-compose.backing.yml"
    composed = re.findall(r"^\s+image:\s*(\S+)", backing.read_text(), re.MULTILINE)
    for name, tag, _ in map(split_name, composed):
        if name in versions and tag not in versions[name]:
            findings.add(where, f"{name}:{tag}, which the compose files run, is not among those tested")
    stores = {case.get("object-store") for case in job["strategy"]["matrix"]["include"]}
    for what, count in (
        ("postgres", len(versions.get("postgres", []))),
        ("apache/kafka", len(versions.get("apache/kafka", []))),
        ("object stores", len(stores)),
    ):
        if count < 2:
            findings.add(where, f"{what}: {count} of two")


def check_kafka(findings, job):
    """The service cannot be handed the file, since it is there before the checkout: its settings are written out."""
    environment = job["services"]["kafka"]["env"]
    for line in (findings.root / SETTINGS).read_text().splitlines():
        name, equals, value = line.partition("=")
        if line.startswith("#") or not equals:
            continue
        variable = "KAFKA_" + name.upper().replace(".", "_")
        if str(environment.get(variable)) != value:
            findings.add("ci.yml, integration-test", f"{variable} is {environment.get(variable)}, and {value} in {SETTINGS}")


def main():
    root = pathlib.Path(sys.argv[1])
    findings = Findings(root)
    workflows = {path: YAML(typ="safe").load(path) for path in sorted((root / ".github/workflows").glob("*.yml"))}
    for path, workflow in workflows.items():
        check_workflow(findings, path, workflow)
    jobs = workflows[root / ".github/workflows/ci.yml"]["jobs"]
    for name in sorted(JOBS - set(jobs)):
        findings.add("ci.yml", f"there is no job {name}")
    for name in sorted(JOBS & set(jobs)):
        check_calls(findings, name, jobs[name])
    if "publish" in jobs:
        check_publish(findings, jobs["publish"])
    if "integration-test" in jobs:
        check_matrix(findings, jobs["integration-test"])
        check_kafka(findings, jobs["integration-test"])
    print("\n".join(findings.found) or f"{len(workflows)} workflows, {sum(len(w['jobs']) for w in workflows.values())} jobs")
    sys.exit(bool(findings.found))


if __name__ == "__main__":
    main()
