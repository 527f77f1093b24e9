#!/usr/bin/env python3
"""Runs the marked blocks of the documents: documents.py FOLDER. See documents.sh.

A page's blocks are run in one shell, from top to bottom, in a copy of the folder. A block that is no script is a file, whose
name is the comment in its first line.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MARK = "<!-- checked -->"
# Whose stand-ins lie in deploy/check/documents.
PROGRAMS = ("docker", "kubectl", "helm", "curl", "cargo")
# A page that hangs is a fault of it.
LIMIT_SECONDS = 600
# What a reader has by then, from an example.
PRESUPPOSED = {
    "my-secrets.yaml": "deploy/k8s/secrets.example.yaml",
    "my-values.yaml": "deploy/helm/values/external.yaml",
}
# The overlay of the steps: "one like it".
STEPS = "my-depot/steps/kustomization.yaml"


def blocks_of(path):
    """Line, language and text of each marked block."""
    lines = path.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        fence = re.match(r"(\s*)```(\S*)$", lines[at])
        at += 1
        if not fence:
            continue
        marked = at > 1 and lines[at - 2].strip() == MARK
        first, text = at + 1, []
        while lines[at].strip() != "```":
            text.append(lines[at][len(fence[1]):])
            at += 1
        at += 1
        if marked:
            yield first, fence[2], "\n".join(text)


def script_of(page, blocks):
    parts = []
    for line, language, text in blocks:
        if language == "sh":
            # The page and the line of what fails are the last that was printed.
            parts.append(f"echo '== {page}, line {line}'\n{text}\nwait")
            continue
        name = re.match(r"# (\S+)\n", text)
        if not name:
            sys.exit(f"{page}, line {line}: says not which file it is")
        parts.append(f"mkdir -p {pathlib.Path(name[1]).parent}\ncat >{name[1]} <<'FILE'\n{text}\nFILE")
    return "\n".join(parts) + "\n"


def copy(root, target):
    """What is in the folder, without what is made from it."""
    left_out = shutil.ignore_patterns(".git", "target", ".stack", ".env", "node_modules")
    shutil.copytree(root, target, symlinks=True, ignore=left_out)
    git = ["git", "-C", target, "-c", "user.name=check", "-c", "user.email=check@localhost"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "a commit that labels can name"], check=True)


def stand_ins(folder):
    folder.mkdir()
    for name in PROGRAMS:
        program = folder / name
        program.write_text(f'#!/usr/bin/env bash\nexec python3 {HERE}/documents/{name}.py "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return folder


def run(root, page, blocks):
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        folder = scratch / "depot"
        copy(root, folder)
        for name, example in PRESUPPOSED.items():
            shutil.copy(folder / example, folder / name)
        steps = folder / STEPS
        steps.parent.mkdir(parents=True)
        steps.write_text("namespace: depot\nresources: [../../deploy/k8s/jobs]\n", encoding="utf-8")
        environment = {
            **os.environ,
            "PATH": f"{stand_ins(scratch / 'programs')}:{os.environ['PATH']}",
            "REAL_PATH": os.environ["PATH"],
            "STATE": str(scratch / "state.json"),
            "PYTHONPATH": f"{HERE}:{HERE / 'documents'}:{os.environ['PYTHONPATH']}",
            # The revision that somebody has found in the history.
            "REVISION": "1",
        }
        command = ["bash", "-euo", "pipefail", "-c", script_of(page, blocks)]
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=LIMIT_SECONDS, check=False,
        )
        calls = re.findall(r"^called (\w+)", done.stderr, re.M)
        said = re.sub(r"^called .*\n", "", done.stderr, flags=re.M)
        if done.returncode or said:
            last = done.stdout[done.stdout.rfind("== "):]
            print(f"{page}: exit code {done.returncode}\n{last}{said}")
            return None
        return calls


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    count, failed, calls = 0, False, []
    for path in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        blocks = list(blocks_of(path))
        if not blocks:
            continue
        count += len(blocks)
        called = run(root, path.relative_to(root).as_posix(), blocks)
        failed |= called is None
        calls += called or []
    told = ", ".join(f"{calls.count(name)} of {name}" for name in PROGRAMS)
    print(f"{count} blocks of the documents, with calls: {told}")
    if not failed and not {"docker", "kubectl", "helm"} <= set(calls):
        print("one of the programs was not called: is the check still looking?")
        failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
