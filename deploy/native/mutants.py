#!/usr/bin/env python3
"""Runs tests against every change that cargo-mutants lists, with all changes compiled into one program.

To build and link a program for each change takes most of the time of cargo-mutants. Here each changed function becomes a
`match` on the number in the variable MUTANT: one arm a change, and the function as it was for any other number. Changes that
do not compile so (the types of a change's own, or a function whose arms have no type in common), and those outside of a
function's body, are left to cargo-mutants itself.

mutants.py TREE PACKAGE OUTPUT STAGE…: TREE is a checkout that is rewritten, OUTPUT takes the lists of cargo-mutants' names
(caught.txt, missed.txt, timeout.txt, apart.txt). A STAGE, "SECONDS JOBS PROGRAM,PROGRAM ARGUMENT…", runs test programs
against what the stages before it missed.
"""

import bisect
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

SWITCH = """
/// The number of the change that is made.
#[allow(clippy::all, missing_docs)]
pub fn mutant_switch() -> u32 {
    static NUMBER: std::sync::LazyLock<u32> =
        std::sync::LazyLock::new(|| std::env::var("MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0));
    *NUMBER
}
"""
# To end at the first test that fails is an option of the test harness that is not stable yet.
FAIL_FAST = ["-Zunstable-options", "--fail-fast"]
TEST_ENVIRONMENT = {"RUSTC_BOOTSTRAP": "1", "RUST_BACKTRACE": "0"}


class Source:
    """A file as it was, where places are lines and columns from 1."""

    def __init__(self, path):
        self.text = path.read_text()
        self.lines = [0]
        for line in self.text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))

    def span(self, span):
        return tuple(self.lines[span[end]["line"] - 1] + span[end]["column"] - 1 for end in ("start", "end"))

    def body(self, begin, end):
        """Where the body of the function at begin..end begins; none if it is one for constants, which cannot look at a switch."""
        name = re.compile(r"\bfn\s+\w+").search(self.text, begin, end)
        if re.search(r"\bconst\s+fn\b", self.text[begin : name.end()]):
            return None
        depth, after_arguments = 0, False
        for at in range(name.end(), end):
            match self.text[at]:
                case "(" | "[":
                    depth += 1
                case ")" | "]":
                    depth -= 1
                    after_arguments |= depth == 0
                case "{" if depth == 0 and after_arguments:
                    return at
        return None


class Package:
    """A package with its changes, numbered from 1."""

    def __init__(self, tree, name):
        self.tree, self.name = tree, name
        listed = subprocess.run(
            ["cargo", "mutants", "--list", "--json", "--package", name], cwd=tree, check=True, stdout=subprocess.PIPE
        )
        self.mutants = dict(enumerate(json.loads(listed.stdout), 1))
        self.apart = {number for number, mutant in self.mutants.items() if not mutant["function"]}
        files = {mutant["file"] for mutant in self.mutants.values()}
        self.root = next(iter(files)).split("/src/")[0]
        self.library = f"{self.root}/src/lib.rs"
        self.sources = {file: Source(tree / file) for file in files | {self.library}}
        # Of each file, the last line of an arm with its first line and its number, in their order.
        self.arms = {}

    def rewrite(self):
        """Writes the files with all changes that are not apart."""
        functions = collections.defaultdict(list)
        for number, mutant in self.mutants.items():
            if number not in self.apart:
                span = self.sources[mutant["file"]].span(mutant["function"]["span"])
                functions[mutant["file"], *span].append(number)
        written, until = collections.defaultdict(str), collections.Counter()
        self.arms = collections.defaultdict(list)
        for (file, begin, end), numbers in sorted(functions.items()):
            source = self.sources[file]
            body = source.body(begin, end)
            # A function inside of another one is part of its arms.
            if body is None or begin < until[file]:
                self.apart.update(numbers)
                continue
            text = written[file] + source.text[until[file] : body] + "{ match crate::mutant_switch() {\n"
            for number in numbers:
                first = text.count("\n") + 1
                text += f"{number}u32 => {self.changed(number, body, end)}\n"
                self.arms[file].append((text.count("\n"), first, number))
            written[file] = text + f"_ => {source.text[body:end]}\n}} }}"
            until[file] = end
        for file, source in self.sources.items():
            text = written[file] + source.text[until[file] :]
            (self.tree / file).write_text(text + SWITCH if file == self.library else text)

    def changed(self, number, body, end):
        """The body of the function with that change."""
        mutant = self.mutants[number]
        if mutant["genre"] == "FnValue":
            return f"{{ {mutant['replacement']} }}"
        source = self.sources[mutant["file"]]
        begin, after = source.span(mutant["span"])
        return source.text[body:begin] + mutant["replacement"] + source.text[after:end]

    def arm(self, file, line):
        """The number of the change in that line of a rewritten file, if there is one."""
        file = next((known for known in self.arms if file.endswith(known)), None)
        arms = self.arms.get(file, [])
        at = bisect.bisect_left(arms, (line,))
        return arms[at][2] if at < len(arms) and arms[at][1] <= line else None

    def compile(self):
        """Test programs by the names of their targets. What does not compile is taken out, until the rest does."""
        while True:
            self.rewrite()
            command = ["cargo", "test", "--locked", "--package", self.name, "--no-run", "--message-format=json"]
            built = subprocess.run(command, cwd=self.tree, stdout=subprocess.PIPE, text=True)
            messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
            if built.returncode == 0:
                return {
                    message["target"]["name"]: message["executable"]
                    for message in messages
                    if message["reason"] == "compiler-artifact" and message["executable"] and message["profile"]["test"]
                }
            errors = [m["message"] for m in messages if m["reason"] == "compiler-message" and m["message"]["level"] == "error"]
            spans = [span for error in errors for span in error["spans"]]
            refused = {self.arm(span["file_name"], span["line_start"]) for span in spans} - {None}
            if not refused:
                sys.exit("".join(error["rendered"] for error in errors) or f"cargo test ended with {built.returncode}")
            print(f"{self.name}: {len(refused)} changes do not compile with the others", flush=True)
            self.apart |= refused

    def restore(self):
        for file, source in self.sources.items():
            (self.tree / file).write_text(source.text)


def run(programs, folder, number, seconds, arguments):
    """What tests say of a change: caught, timeout or missed."""
    environment = os.environ | TEST_ENVIRONMENT | {"MUTANT": str(number)}
    for program in programs:
        try:
            tested = subprocess.run(
                [program, *FAIL_FAST, *arguments],
                cwd=folder,
                env=environment,
                timeout=seconds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return "timeout"
        if tested.returncode != 0:
            return "caught"
    return "missed"


def main():
    tree, name, output = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    output.mkdir(parents=True, exist_ok=True)
    package = Package(tree, name)
    try:
        programs = package.compile()
    finally:
        package.restore()
    folder = tree / package.root
    outcomes = {number: "missed" for number in package.mutants if number not in package.apart}
    for stage in sys.argv[4:]:
        seconds, jobs, targets, *arguments = stage.split()
        chosen = [programs[target] for target in targets.split(",")]
        # Without any change they have to pass, or a change would be caught by what fails anyway.
        if run(chosen, folder, 0, int(seconds), arguments) != "missed":
            sys.exit(f"{name}: the tests of {targets} fail without any change")
        left = [number for number, outcome in outcomes.items() if outcome == "missed"]
        with concurrent.futures.ThreadPoolExecutor(int(jobs)) as pool:
            tested = [pool.submit(run, chosen, folder, number, int(seconds), arguments) for number in left]
            for number, outcome in zip(left, tested):
                outcomes[number] = outcome.result()
        print(f"{name}: {targets}: {collections.Counter(outcomes[number] for number in left)}", flush=True)
    for kind in ("caught", "timeout", "missed"):
        names = [package.mutants[number]["name"] for number, outcome in outcomes.items() if outcome == kind]
        (output / f"{kind}.txt").write_text("".join(f"{name}\n" for name in names))
    names = [package.mutants[number]["name"] for number in sorted(package.apart)]
    (output / "apart.txt").write_text("".join(f"{name}\n" for name in names))


main()
