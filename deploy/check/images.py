"""What an image's name and a Dockerfile say: whether a release is named, who runs what is in it, and its labels."""

import re
import shlex

# Releases of most have three numbers; "1.4" is then a series, and moves.
NUMBERS = {"postgres": 2, "chrislusf/seaweedfs": 2}
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
DATE = re.compile(r"\b20\d{6}\b")
VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?=$|[-_+])")


def split_name(reference):
    """`registry/name:tag@digest` as name, tag or None, digest or None."""
    name, _, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, None, digest or None
    return head, tag, digest or None


def why_not_exact(reference):
    """Why a name stands for one image today and for another tomorrow; None if it does not."""
    if DIGEST.search(reference):
        return None
    name, tag, _ = split_name(reference)
    if tag is None:
        return "has no tag"
    if DATE.search(tag):
        return None
    version = VERSION.match(tag)
    wanted = NUMBERS.get(name.removeprefix("docker.io/").removeprefix("library/"), 3)
    if version is None or len(version[1].split(".")) < wanted:
        return f"the tag {tag} names no single release"
    return None


class Dockerfile:
    """The stages of a Dockerfile: by name, each with what it is FROM, its last USER, its arguments and its labels."""

    def __init__(self, text):
        self.stages = {}
        self.last = None
        for line in re.sub(r"\\\n", " ", text).splitlines():
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0].upper() == "FROM":
                names = [word for word in words[1:] if not word.startswith("--")]
                self.last = names[2] if len(names) > 2 else str(len(self.stages))
                self.stages[self.last] = {"from": names[0], "user": None, "arguments": set(), "labels": {}}
            elif words[0].upper() == "USER":
                self.stages[self.last]["user"] = words[1]
            elif words[0].upper() == "ARG" and self.last is not None:
                self.stages[self.last]["arguments"].add(words[1].partition("=")[0])
            elif words[0].upper() == "LABEL":
                pairs = (pair.partition("=") for pair in shlex.split(line)[1:])
                self.stages[self.last]["labels"].update({name: value for name, _, value in pairs})

    def foreign_images(self):
        """What comes from elsewhere."""
        return [
            stage["from"]
            for stage in self.stages.values()
            if stage["from"] != "scratch" and stage["from"] not in self.stages
        ]

    def user(self, target=None):
        """Of a stage, or of those that it stands on; None for what the foreign image has."""
        stage = self.stages.get(target or self.last)
        while stage is not None:
            if stage["user"]:
                return stage["user"]
            stage = self.stages.get(stage["from"])
        return None
