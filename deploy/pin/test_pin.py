#!/usr/bin/env python3
"""Pins copies of files against a registry and repositories of this test's own, on loopback and on disk."""

import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = pathlib.Path(__file__).parent
INDEX = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
DIGEST = "sha256:" + hashlib.sha256(INDEX).hexdigest()
OLD = "sha256:" + "0" * 64


class Registry(http.server.BaseHTTPRequestHandler):
    """Has test/store:1.2.3. Asks for a token; `lies` says another digest than that of what it sends."""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/token":
            return self.answer(200, json.dumps({"token": "granted"}).encode())
        if self.headers.get("Authorization") != "Bearer granted":
            host = self.headers["Host"]
            challenge = f'Bearer realm="http://{host}/token",service="test",scope="repository:test:pull"'
            return self.answer(401, b"", ("WWW-Authenticate", challenge))
        if "oci.image.index" not in self.headers["Accept"]:
            return self.answer(406, b"")
        if path == "/v2/test/store/manifests/1.2.3":
            return self.answer(200, INDEX, ("Docker-Content-Digest", DIGEST))
        if path == "/v2/test/liar/manifests/1.2.3":
            return self.answer(200, INDEX, ("Docker-Content-Digest", OLD))
        return self.answer(404, b"")

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def git(folder, *arguments):
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    run = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout.strip()


class PinTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.registry = f"127.0.0.1:{cls.server.server_port}"
        cls.folder = tempfile.TemporaryDirectory()
        repository = pathlib.Path(cls.folder.name) / "actions/checkout"
        repository.mkdir(parents=True)
        git(repository, "init", "-q")
        git(repository, "commit", "-q", "--allow-empty", "-m", "one")
        cls.commit = git(repository, "rev-parse", "HEAD")
        git(repository, "tag", "v4.1.0")
        git(repository, "tag", "-a", "-m", "annotated", "v4.2.0")

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()
        cls.folder.cleanup()

    def pin(self, **texts):
        """Writes files, pins them; what was printed, how it ended, what is in the files then."""
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder) / name for name in texts]
            for path, text in zip(paths, texts.values()):
                path.write_text(text.replace("REGISTRY", self.registry), encoding="utf-8")
            environment = {**os.environ, "PIN_GITHUB": self.folder.name, "PYTHONDONTWRITEBYTECODE": "1"}
            command = [sys.executable, HERE / "pin.py", *paths]
            run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            left = sorted(path.name for path in pathlib.Path(folder).iterdir())
            self.assertEqual(left, sorted(texts), "no other file is left behind")
            after = [path.read_text(encoding="utf-8").replace(self.registry, "REGISTRY") for path in paths]
            return run, dict(zip(texts, after))

    def test_an_image_of_a_compose_file_gets_its_digest_behind_its_tag(self):
        run, after = self.pin(compose="services:\n  a:\n    image: REGISTRY/test/store:1.2.3  # why\n")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(
            after["compose"], f"services:\n  a:\n    image: REGISTRY/test/store:1.2.3@{DIGEST}  # why\n"
        )

    def test_a_digest_that_is_there_is_replaced_by_what_the_tag_stands_for_now(self):
        _, after = self.pin(compose=f'image: "REGISTRY/test/store:1.2.3@{OLD}"\n')
        self.assertEqual(after["compose"], f'image: "REGISTRY/test/store:1.2.3@{DIGEST}"\n')

    def test_a_dockerfile_keeps_its_stages_and_its_flags(self):
        text = "FROM --platform=linux/amd64 REGISTRY/test/store:1.2.3 AS one\nFROM one AS two\nFROM scratch\n"
        run, after = self.pin(Dockerfile=text)
        self.assertEqual(after["Dockerfile"], text.replace("1.2.3", f"1.2.3@{DIGEST}"))
        self.assertNotIn("not pinned", run.stdout)

    def test_an_action_gets_the_commit_of_its_tag_and_the_tag_as_a_comment(self):
        run, after = self.pin(
            workflow="- uses: actions/checkout@v4.1.0\n- uses: actions/checkout/sub@v4.2.0\n"
            f"- uses: actions/checkout@{'a' * 40} # v4.2.0\n"
        )
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(
            after["workflow"],
            f"- uses: actions/checkout@{self.commit} # v4.1.0\n- uses: actions/checkout/sub@{self.commit} # v4.2.0\n"
            f"- uses: actions/checkout@{self.commit} # v4.2.0\n",
        )

    def test_what_is_built_here_is_left_and_what_is_not_understood_is_named(self):
        text = "image: depot:development\nimage: depot-load:development\nimage: postgres:${{ matrix.postgres }}\n"
        run, after = self.pin(compose=text)
        self.assertEqual((run.returncode, after["compose"]), (0, text))
        self.assertIn("compose:3: not pinned: image: postgres:${{ matrix.postgres }}", run.stdout)
        self.assertEqual(run.stdout.count("not pinned"), 1)

    def assert_unchanged(self, said, **texts):
        run, after = self.pin(**texts)
        self.assertEqual(after, texts)
        self.assertEqual(run.returncode, 1)
        self.assertIn(said, run.stderr)
        self.assertIn("Nothing was changed.", run.stderr)

    def test_a_tag_that_is_not_there_changes_no_file(self):
        good, bad = "image: REGISTRY/test/store:1.2.3\n", "image: REGISTRY/test/store:9.9.9\n"
        self.assert_unchanged("answers 404 for test/store:9.9.9", one=good, two=bad)

    def test_a_digest_that_is_not_that_of_the_content_is_not_believed(self):
        self.assert_unchanged(f"says {OLD} for test/liar:1.2.3", one="image: REGISTRY/test/liar:1.2.3\n")

    def test_a_registry_that_is_away_changes_no_file(self):
        # Port 1 is nobody's.
        self.assert_unchanged(
            "http://127.0.0.1:1 gives no answer for store:1.2.3", one="image: 127.0.0.1:1/store:1.2.3\n"
        )

    def test_an_action_without_that_tag_changes_no_file(self):
        self.assert_unchanged("has no tag v9", one="- uses: actions/checkout@v9\n")

    def test_a_repository_that_is_away_changes_no_file(self):
        self.assert_unchanged("gives no answer", one="- uses: actions/missing@v1\n")


if __name__ == "__main__":
    unittest.main()
