"""Runs the server on a database and ports of its own."""

import json
import pathlib
import subprocess
import tempfile
import time
import urllib.error
import urllib.request


class Server:
    """A server that stops at the end of a `with` block."""

    def __init__(self, binary, *args):
        self.data_dir = tempfile.TemporaryDirectory()
        command = [binary, "serve", "--data-dir", self.data_dir.name, "--log-format", "json", "--drain-delay", "0s"]
        command += ["--grpc-addr", "127.0.0.1:0", "--rest-addr", "127.0.0.1:0", *args]
        self.log = pathlib.Path(self.data_dir.name, "log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log)
        self.grpc, self.rest = self._eventually(self._addresses)
        self._eventually(self._is_ready)

    def _addresses(self):
        for line in self.log.read_text().splitlines():
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("message") == "listening":
                return event["grpc"], f"http://{event['rest']}"
        return None

    def _is_ready(self):
        try:
            with urllib.request.urlopen(f"{self.rest}/readyz"):
                return True
        except urllib.error.URLError:
            return False

    def _eventually(self, poll):
        for _ in range(100):
            if result := poll():
                return result
            time.sleep(0.1)
        self.process.kill()
        raise SystemExit(f"the server did not start:\n{self.log.read_text()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.data_dir.cleanup()
