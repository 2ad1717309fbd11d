"""The API through a Python client that is generated from the protos, as that of a user."""

import json
import pathlib
import subprocess
import sys
import tempfile

import grpc

PROTOS = pathlib.Path(__file__, "../../../proto").resolve()


def generate():
    """Generates the client, and returns its modules by their short names."""
    out = tempfile.mkdtemp()
    files = sorted(str(path) for path in PROTOS.glob("oauth_clients/v1/*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"--python_out={out}"]
    subprocess.run([*command, f"--grpc_python_out={out}", *files], check=True)
    sys.path.insert(0, out)
    from oauth_clients.v1 import client_authentication_service_pb2 as authentication
    from oauth_clients.v1 import client_authentication_service_pb2_grpc as authentication_grpc
    from oauth_clients.v1 import oauth_client_pb2 as model
    from oauth_clients.v1 import oauth_client_service_pb2 as administration
    from oauth_clients.v1 import oauth_client_service_pb2_grpc as administration_grpc

    return administration, administration_grpc, authentication, authentication_grpc, model


ADMINISTRATION, _administration_grpc, AUTHENTICATION, _authentication_grpc, MODEL = generate()


class Api:
    """Both services, called with one token."""

    def __init__(self, server, token):
        channel = grpc.insecure_channel(server.grpc)
        self.admin = _administration_grpc.OAuthClientServiceStub(channel)
        self.authentication = _authentication_grpc.ClientAuthenticationServiceStub(channel)
        self.metadata = [("authorization", f"Bearer {token}")]

    def __call__(self, method, request):
        return method(request, metadata=self.metadata)

    def with_secret(self, client_id, secret):
        """Returns the hint of the secret that a client authenticated with, or None if it was rejected."""
        request = AUTHENTICATION.AuthenticateClientRequest(client_id=client_id, client_secret=secret)
        response = self(self.authentication.AuthenticateClient, request)
        return response.authenticated.secret_hint if response.HasField("authenticated") else None

    def with_assertion(self, jwt, audiences):
        """Returns the id of the key that a client authenticated with, or None if it was rejected."""
        assertion = AUTHENTICATION.ClientAssertion(jwt=jwt, audiences=audiences)
        request = AUTHENTICATION.AuthenticateClientRequest(client_assertion=assertion)
        response = self(self.authentication.AuthenticateClient, request)
        return response.authenticated.key_id if response.HasField("authenticated") else None


def public_key(key):
    """Converts a key of jwcrypto to the message of the API."""
    return MODEL.JsonWebKey(**json.loads(key.export_public()))
