#!/usr/bin/env python3
"""Writes digests and commits into the files that it is given: pin.py FILE…

All names are resolved before the first file is written, and each name once. Ends with 1, and every file as it was, if
one cannot be resolved.
"""

import functools
import os
import re
import sys

import actions
import references
import registry

digest = functools.cache(registry.digest)
commit = functools.cache(actions.commit)


def pinned(line):
    """The line with what its name stands for; the line itself if it names nothing."""
    image = references.of_image(line)
    if image:
        return references.with_digest(image, digest(image["name"], image["tag"]))
    action = references.of_action(line)
    version = action and references.version_of(action)
    if version:
        return references.with_commit(action, version, commit(action["repository"], version))
    return line


def replace(path, text):
    """As one step, so that whoever reads the file sees the old one or the new one."""
    beside = path + ".pinned"
    with open(beside, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(beside, os.stat(path).st_mode & 0o7777)
    os.replace(beside, path)


def main():
    new = {}
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            old = file.read()
        stages = set(re.findall(r"^FROM\s.*\sAS\s+(\S+)\s*$", old, re.IGNORECASE | re.MULTILINE))
        lines = old.split("\n")
        for number, line in enumerate(lines, 1):
            if references.is_passed_over(line, stages):
                print(f"{path}:{number}: not pinned: {line.strip()}")
        try:
            text = "\n".join(map(pinned, lines))
        except registry.CannotResolve as error:
            sys.exit(f"error: {error}\nNothing was changed.")
        if text != old:
            new[path] = text
    for path, text in new.items():
        replace(path, text)
        print(f"{path}: pinned")
    print(f"{digest.cache_info().currsize} images and {commit.cache_info().currsize} actions resolved")


if __name__ == "__main__":
    main()
