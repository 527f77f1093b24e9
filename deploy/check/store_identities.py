"""Who may do what in the object store: wherever it is written out, as deploy/native/identities.py prints it."""

import json
import os
import re
import subprocess
import sys

import yaml

SCRIPT = "deploy/native/identities.py"
SECRETS = "deploy/k8s/secrets.example.yaml"
VALUES = "deploy/helm/values/minimal.yaml"
# Where a Secret and the chart's values have the keys of each, by the name that the script has for them.
IN_SECRETS = {"STACK": "depot-buckets", "COMMAND_API": "depot-command-api", "QUERY_API": "depot-query-api",
              "UPLOADER": "depot-uploader"}
IN_VALUES = {"STACK": ("jobs", "buckets"), "COMMAND_API": ("commandApi",), "QUERY_API": ("queryApi",),
             "UPLOADER": ("uploader",)}
KEYS = ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY")


def compare(comparison):
    secrets = {each["metadata"]["name"]: each["stringData"]
               for each in yaml.safe_load_all((comparison.root / SECRETS).read_text()) if each}
    keys = {who: secrets[name] for who, name in IN_SECRETS.items()}
    _compare(comparison, SECRETS, keys, secrets["depot-object-store"]["identities.json"])
    values = yaml.safe_load((comparison.root / VALUES).read_text())
    keys = {who: _at(values, *path, "secret") for who, path in IN_VALUES.items()}
    _compare(comparison, VALUES, keys, _at(values, "backing", "objectStore", "secret", "identities.json"))


def _at(values, *path):
    for key in path:
        values = values[key]
    return values


def _compare(comparison, where, keys, text):
    said, wanted = _by_name(json.loads(text)), _by_name(_printed(comparison.root, keys))
    for name in sorted(set(said) | set(wanted)):
        comparison.compared["identities"] += 1
        if said.get(name) != wanted.get(name):
            comparison.differ(where, f"identities.json: {name} is not what {SCRIPT} prints for the keys beside it")


def _printed(root, keys):
    """With these keys, and without the star behind a bucket's name, which only tests make use of."""
    lines = (root / ".env.example").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_0-9]+=", line))
    for who, pairs in keys.items():
        settings.update({f"{who}_{key}": pairs[key] for key in KEYS})
    command = [sys.executable, root / SCRIPT]
    run = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=True)
    text = run.stdout
    for bucket in (settings["S3_BUCKET"], settings["S3_STAGING_BUCKET"]):
        text = text.replace(bucket + "*", bucket)
    return json.loads(text)


def _by_name(document):
    """Identities and policies, each by its name; a policy is a document in a text."""
    found = {f"the identity {each['name']}": each for each in document["identities"]}
    for each in document["policies"]:
        found[f"the policy {each['name']}"] = json.loads(each["content"])
    return found
