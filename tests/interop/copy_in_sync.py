"""The example `keep_a_copy.py` has what the server has: from the begin, after changes, and after both were stopped.

Usage: copy_in_sync.py BINARY
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import clients
from issuer import AUDIENCE, ISSUER, Issuer, new_key, token
from server import Server

EXAMPLE = pathlib.Path(__file__, "../../../examples/keep_a_copy.py").resolve()
ADMINISTRATION = clients.ADMINISTRATION


class Copy:
    """The example, running."""

    def __init__(self, url, bearer, state):
        self.state = state
        environment = {**os.environ, "TOKEN": bearer}
        self.process = subprocess.Popen([sys.executable, EXAMPLE, url, state], env=environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def has(self, names):
        """Waits until the copy has clients of these names, and no others."""
        for _ in range(300):
            if self.state.exists():
                copy = json.loads(self.state.read_text())["clients"].values()
                if sorted(client["clientName"] for client in copy) == sorted(names):
                    return
            time.sleep(0.1)
        raise SystemExit(f"the copy is not {names}: {self.state.read_text()}")


def run(server, admin, bearer, state):
    def create(name):
        request = ADMINISTRATION.CreateOAuthClientRequest(app_type="spa", client_name=name)
        return admin(admin.admin.CreateOAuthClient, request).client_id

    def delete(client_id):
        request = ADMINISTRATION.DeleteOAuthClientRequest(client_id=client_id, confirm_delete=client_id)
        admin(admin.admin.DeleteOAuthClient, request)

    old, kept = create("old"), create("kept")
    with Copy(server.rest, bearer, state) as copy:
        copy.has(["old", "kept"])
        create("new")
        delete(old)
        copy.has(["kept", "new"])
    delete(kept)
    create("newer")
    with Copy(server.rest, bearer, state) as copy:
        copy.has(["new", "newer"])


def main(binary):
    key = new_key("RS256", "issuer")
    with Issuer([key]) as issuer, tempfile.TemporaryDirectory() as directory:
        trust = ["--issuer", ISSUER, "--audience", AUDIENCE, "--jwks-url", issuer.url]
        with Server(binary, *trust) as server:
            scope = "oauth-clients:read oauth-clients:write oauth-clients:audit"
            bearer = token(key, "RS256", scope=scope)
            run(server, clients.Api(server, bearer), bearer, pathlib.Path(directory, "state"))
    print("a copy stays in sync")


if __name__ == "__main__":
    main(sys.argv[1])
