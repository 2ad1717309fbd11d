"""Two versions of the server with a change of the schema between them: side by side on one PostgreSQL database, in both
orders, and one after the other on one SQLite file, with rollbacks.

Usage: upgrade.py OLD NEW POSTGRES_URL
"""

import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import clients
from issuer import AUDIENCE, ISSUER, Issuer, new_key, token
from server import Server

ADMINISTRATION = clients.ADMINISTRATION


class Client:
    """A client that each version must be able to read, authenticate and change."""

    def __init__(self, api, name):
        create = ADMINISTRATION.CreateOAuthClientRequest(app_type="web", client_name=name)
        made = api(api.admin.CreateOAuthClient, create)
        self.id, self.secrets = made.client_id, {made.client_secrets[0].hint: made.client_secret}

    def exercise(self, api, name):
        """Changes the client through one server, and checks the changes that others made before."""
        for hint, secret in self.secrets.items():
            assert api.with_secret(self.id, secret) == hint
        made = api(api.admin.CreateClientSecret, ADMINISTRATION.CreateClientSecretRequest(client_id=self.id))
        old = next(iter(self.secrets))
        delete = ADMINISTRATION.DeleteClientSecretRequest(client_id=self.id, hint=old)
        api(api.admin.DeleteClientSecret, delete)
        assert api.with_secret(self.id, self.secrets.pop(old)) is None
        self.secrets[made.hint] = made.client_secret
        operation = ADMINISTRATION.PatchOperation(op="replace", path="/clientName")
        operation.value.string_value = name
        patch = ADMINISTRATION.PatchOAuthClientRequest(client_id=self.id, operations=[operation])
        api(api.admin.PatchOAuthClient, patch)
        listed = api(api.admin.ListOAuthClients, ADMINISTRATION.ListOAuthClientsRequest(filter=f'clientName eq "{name}"'))
        assert [client.client_id for client in listed.data] == [self.id]
        disable = ADMINISTRATION.DisableOAuthClientRequest(client_id=self.id, reason="upgrading")
        api(api.admin.DisableOAuthClient, disable)
        assert api.with_secret(self.id, made.client_secret) is None
        api(api.admin.EnableOAuthClient, ADMINISTRATION.EnableOAuthClientRequest(client_id=self.id))


class Version:
    """A binary of the server, and its flags."""

    def __init__(self, binary, trust, key):
        self.binary, self.trust = binary, trust
        self.admin = token(key, "RS256")
        self.authorization_server = token(key, "RS256", tenant_id="*", scope="oauth-clients:authenticate")

    def migrate(self, action, url, *flags):
        command = [self.binary, "migrate", action, "--database-url", url, *flags]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def knows(self, flag):
        return flag in subprocess.run([self.binary, "migrate", "--help"], check=True, capture_output=True, text=True).stdout

    def serve(self, url):
        return Server(self.binary, *self.trust, "--database-url", url)

    def api(self, server):
        api = clients.Api(server, self.admin)
        authorization_server = clients.Api(server, self.authorization_server)
        api.with_secret = authorization_server.with_secret
        return api


def is_ready(server):
    try:
        with urllib.request.urlopen(f"{server.rest}/readyz"):
            return True
    except urllib.error.URLError:
        return False


def assert_newer(version, url):
    for action in ("up", "status"):
        output = version.migrate(action, url)
        assert "the schema is newer" in output and "missing" not in output, output


def side_by_side(old, new, url, first):
    """Runs servers of both versions on one database. `first` is started before the other."""
    serving = []
    if first is old:
        old.migrate("up", url)
        serving.append(old.serve(url))
        client = Client(old.api(serving[0]), "before the upgrade")
        new.migrate("up", url)
        serving.append(new.serve(url))
    else:
        # A version that does not wait for the fence must not run beside one that relies on it.
        fence = [] if old.knows("--cache-fence") else ["--cache-fence", "0"]
        new.migrate("up", url, *fence)
        serving.append(new.serve(url))
        client = Client(new.api(serving[0]), "before the rollback")
        assert_newer(old, url)
        serving.append(old.serve(url))
    assert_newer(old, url)
    time.sleep(2.5)
    for turn in range(3):
        for server in serving:
            assert is_ready(server), "both versions stay ready"
            client.exercise(old.api(server), f"renamed {turn} {server.grpc}")
    for server in serving:
        with server:
            pass


def one_after_the_other(old, new, url):
    client = None
    for turn, version in enumerate([old, new, old, new]):
        with version.serve(url) as server:
            api = version.api(server)
            client = client or Client(api, "in the beginning")
            client.exercise(api, f"renamed {turn}")
            Client(api, f"made {turn}")
    assert_newer(old, url)


def database(postgres, name):
    server, _ = postgres.rsplit("/", 1)
    subprocess.run(["psql", "-q", postgres, "-c", f"CREATE DATABASE {name}"], check=True)
    return f"{server}/{name}"


def main(old, new, postgres):
    key = new_key("RS256", "issuer")
    with Issuer([key]) as issuer:
        trust = ["--issuer", ISSUER, "--audience", AUDIENCE, "--jwks-url", issuer.url]
        old, new = Version(old, trust, key), Version(new, trust, key)
        stamp = time.time_ns()
        side_by_side(old, new, database(postgres, f"upgrade_{stamp}"), first=old)
        side_by_side(old, new, database(postgres, f"rollback_{stamp}"), first=new)
        with tempfile.TemporaryDirectory() as directory:
            one_after_the_other(old, new, f"sqlite:{pathlib.Path(directory, 'clients.db')}")
    print("two versions shared a PostgreSQL database in both orders, and a SQLite file in turn")


if __name__ == "__main__":
    main(*sys.argv[1:])
