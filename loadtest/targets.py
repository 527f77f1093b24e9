#!/usr/bin/env python3
"""Prints vegeta targets (-format=json), endlessly: one JSON object a line.

    targets.py seed 50             creates items, prints their ids
    targets.py commands IDS_FILE   four creates to one change, each with an Idempotency-Key of its own
    targets.py queries IDS_FILE    reads by id, lists, searches, histories and statistics

Reads TOKEN, COMMAND_PUBLIC_URL and QUERY_PUBLIC_URL from the environment.
"""

import base64
import itertools
import json
import os
import random
import sys
import urllib.request
import uuid

COMMANDS = os.environ.get("COMMAND_PUBLIC_URL", "http://localhost:8080")
QUERIES = os.environ.get("QUERY_PUBLIC_URL", "http://localhost:8081")
AUTHORIZATION = {"authorization": "Bearer " + os.environ["TOKEN"]}
TAGS = [f"load-{n}" for n in range(20)]


def item(n):
    return {
        "name": f"Load item {n}",
        "description": "Made under load, to be found by its words.",
        "tags": ["load", random.choice(TAGS)],
        "attributes": {"n": n, "colour": random.choice(["red", "green", "blue"])},
    }


def target(method, url, headers=(), body=None):
    line = {"method": method, "url": url, "header": {k: [v] for k, v in {**AUTHORIZATION, **dict(headers)}.items()}}
    if body is not None:
        line["body"] = base64.b64encode(json.dumps(body).encode()).decode()
    return json.dumps(line)


def create(n):
    headers = {"content-type": "application/json", "idempotency-key": str(uuid.uuid4())}
    return "POST", f"{COMMANDS}/api/v1/items", headers, item(n)


def change(n, ids):
    headers = {
        "content-type": "application/merge-patch+json",
        "idempotency-key": str(uuid.uuid4()),
        "if-match": "*",
    }
    body = {"description": f"Changed by load command {n}."}
    return "PATCH", f"{COMMANDS}/api/v1/items/{random.choice(ids)}", headers, body


def commands(ids):
    for n in itertools.count():
        yield target(*(change(n, ids) if n % 5 == 4 else create(n)))


def queries(ids):
    for n in itertools.count():
        one = random.choice(ids)
        # Reads by id are what there is most of.
        path = [
            f"/items/{one}",
            f"/items/{one}",
            f"/items/{one}",
            f"/items/{one}",
            f"/items/{one}",
            f"/items?tag={random.choice(TAGS)}&limit=20",
            "/items?status=draft&limit=20",
            "/items?q=load+words&limit=20",
            f"/items/{one}/history",
            "/statistics/tags",
        ][n % 10]
        yield target("GET", f"{QUERIES}/api/v1{path}")


def seed(count):
    for n in range(count):
        method, url, headers, body = create(n)
        request = urllib.request.Request(
            url, data=json.dumps(body).encode(), method=method, headers={**AUTHORIZATION, **headers}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            yield json.load(answer)["id"]


def main():
    kind, argument = sys.argv[1:]
    if kind == "seed":
        lines = seed(int(argument))
    else:
        with open(argument, encoding="utf-8") as file:
            ids = file.read().split()
        lines = {"commands": commands, "queries": queries}[kind](ids)
    try:
        for line in lines:
            print(line)
    except BrokenPipeError:
        # vegeta has what it wants; nothing is left to be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
