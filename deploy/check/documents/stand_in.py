"""What the stand-ins of a page share: their calls, their arguments, what was done before."""

import json
import os
import pathlib
import sys

STATE = pathlib.Path(os.environ["STATE"])
NAME = pathlib.Path(sys.argv[0]).stem


def refuse(why):
    sys.exit(f"{NAME} {' '.join(sys.argv[1:])}: {why}")


def called():
    """For the count, by which the check knows that it still looks."""
    print(f"called {NAME}", file=sys.stderr)


def state():
    if STATE.exists():
        return json.loads(STATE.read_text(encoding="utf-8"))
    return {"objects": {}, "revisions": 0, "ports": [], "images": [], "containers": []}


def keep(changed):
    """At once, since one that runs in the background may be read meanwhile."""
    new = STATE.with_suffix(".new")
    new.write_text(json.dumps(changed), encoding="utf-8")
    new.replace(STATE)


def real(environment=os.environ):
    """With the programs that the stand-ins stand before."""
    return {**environment, "PATH": environment["REAL_PATH"]}


class Arguments:
    """Flags and words in their order."""

    def __init__(self, arguments):
        self.rest = list(arguments)

    def flags(self, known):
        """Takes the flags that come next, by name: a list of values for those that have one (`known[name]`), or True."""
        found = {}
        while self.rest and self.rest[0].startswith("-") and self.rest[0] != "-":
            name, equals, value = self.rest.pop(0).partition("=")
            if name not in known:
                refuse(f"does not know {name}")
            if not known[name]:
                found[name] = True
                continue
            if not equals:
                if not self.rest:
                    refuse(f"{name} wants a value")
                value = self.rest.pop(0)
            found.setdefault(name, []).append(value)
        return found

    def word(self, what):
        if not self.rest:
            refuse(f"lacks {what}")
        return self.rest.pop(0)

    def all(self, known):
        """Flags and words, however they are mixed."""
        found, words = {}, []
        while self.rest:
            for name, values in self.flags(known).items():
                found[name] = found.get(name, []) + values if isinstance(values, list) else values
            if self.rest:
                words.append(self.rest.pop(0))
        return found, words
