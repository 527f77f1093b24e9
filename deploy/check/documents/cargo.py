"""`cargo build -p PACKAGE`: whether the workspace has it. make asks `cargo` nothing else on these pages."""

import json
import subprocess
import sys

from stand_in import called, real, refuse


def main():
    called()
    if sys.argv[1:3] != ["build", "-p"]:
        refuse("does not know that")
    command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"]
    said = subprocess.run(command, env=real(), capture_output=True, text=True, check=True).stdout
    if sys.argv[3] not in {package["name"] for package in json.loads(said)["packages"]}:
        refuse(f"the workspace has no {sys.argv[3]}")


main()
