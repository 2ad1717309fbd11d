"""The life cycle of a client through a generated Python client: it is created, authenticates, gets a second secret,
loses the first, is disabled and enabled, and is deleted.

Usage: life_cycle.py BINARY
"""

import sys

import clients
import grpc
from issuer import AUDIENCE, ISSUER, Issuer, new_key, token
from server import Server

ADMINISTRATION, AUTHENTICATION = clients.ADMINISTRATION, clients.AUTHENTICATION


def code_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    return None


def run(admin, authorization_server):
    create = ADMINISTRATION.CreateOAuthClientRequest(app_type="web", client_name="a service")
    client = admin(admin.admin.CreateOAuthClient, create)
    client_id, old = client.client_id, client.client_secret
    old_hint = client.client_secrets[0].hint
    assert authorization_server.with_secret(client_id, old) == old_hint

    made = admin(admin.admin.CreateClientSecret, ADMINISTRATION.CreateClientSecretRequest(client_id=client_id))
    assert authorization_server.with_secret(client_id, old) == old_hint, "the old secret works beside the new one"
    assert authorization_server.with_secret(client_id, made.client_secret) == made.hint

    delete = ADMINISTRATION.DeleteClientSecretRequest(client_id=client_id, hint=old_hint)
    admin(admin.admin.DeleteClientSecret, delete)
    assert authorization_server.with_secret(client_id, old) is None, "the old secret is gone"
    assert authorization_server.with_secret(client_id, made.client_secret) == made.hint

    look_up = lambda: authorization_server(
        authorization_server.authentication.LookupClient,
        AUTHENTICATION.LookupClientRequest(client_id=client_id),
    )
    assert look_up().tenant_id == "acme"
    disable = ADMINISTRATION.DisableOAuthClientRequest(client_id=client_id, reason="on holiday")
    assert admin(admin.admin.DisableOAuthClient, disable).disable_tag == "on holiday"
    assert authorization_server.with_secret(client_id, made.client_secret) is None, "a disabled client is rejected"
    assert code_of(look_up) == grpc.StatusCode.NOT_FOUND
    admin(admin.admin.EnableOAuthClient, ADMINISTRATION.EnableOAuthClientRequest(client_id=client_id))
    assert authorization_server.with_secret(client_id, made.client_secret) == made.hint

    confirmed = ADMINISTRATION.DeleteOAuthClientRequest(client_id=client_id, confirm_delete=client_id)
    admin(admin.admin.DeleteOAuthClient, confirmed)
    assert authorization_server.with_secret(client_id, made.client_secret) is None, "a deleted client is rejected"
    assert code_of(look_up) == grpc.StatusCode.NOT_FOUND


def main(binary):
    key = new_key("RS256", "issuer")
    with Issuer([key]) as issuer:
        trust = ["--issuer", ISSUER, "--audience", AUDIENCE, "--jwks-url", issuer.url]
        with Server(binary, *trust) as server:
            admin = clients.Api(server, token(key, "RS256"))
            scope = "oauth-clients:authenticate"
            run(admin, clients.Api(server, token(key, "RS256", tenant_id="*", scope=scope)))
    print("the life cycle of a client works")


if __name__ == "__main__":
    main(sys.argv[1])
