"""The server accepts the valid assertions (RFC 7523) of an independent library, and rejects the others.

Usage: assertions.py BINARY
"""

import sys
import time
import uuid

import clients
from issuer import AUDIENCE, ISSUER, Issuer, new_key, token
from jwcrypto import jwk, jwt
from server import Server

TOKEN_ENDPOINT = "https://as.example/token"
ALGORITHMS = ["RS256", "RS512", "ES384"]


def assertion(client_id, key, algorithm, header=None, **changes):
    now = int(time.time())
    good = {"iss": client_id, "sub": client_id, "aud": TOKEN_ENDPOINT, "iat": now, "exp": now + 300}
    claims = good | {"jti": str(uuid.uuid4())} | changes
    header = {"alg": algorithm, "typ": "JWT", "kid": key["kid"]} | (header or {})
    header = {name: value for name, value in header.items() if value is not None}
    claims = {name: value for name, value in claims.items() if value is not None}
    made = jwt.JWT(header=header, claims=claims, algs=[algorithm])
    made.make_signed_token(key)
    return made.serialize()


def cases(client_id, keys, strangers):
    """Yields names, assertions, and the key that each must be accepted with, or None."""
    now = int(time.time())
    for algorithm, key in keys.items():
        make = lambda header=None, key=key, algorithm=algorithm, **changes: assertion(
            client_id, key, algorithm, header, **changes
        )
        yield f"{algorithm}", make(), key["kid"]
        yield f"{algorithm} for several", make(aud=["https://other.example", TOKEN_ENDPOINT]), key["kid"]
        yield f"{algorithm} without a kid", make({"kid": None}), None
        yield f"{algorithm} for others", make(aud="https://other.example"), None
        yield f"{algorithm} expired", make(exp=now - 60), None
        yield f"{algorithm} for too long", make(exp=now + 700), None
        yield f"{algorithm} without an end", make(exp=None), None
        yield f"{algorithm} without an id", make(jti=None), None
        yield f"{algorithm} not yet", make(nbf=now + 120), None
        yield f"{algorithm} of another", make(iss="another"), None
        stranger = strangers[algorithm]
        yield f"{algorithm} of a stranger", assertion(client_id, stranger, algorithm), None
        brought = {"jwk": stranger.export_public(as_dict=True)}
        yield f"{algorithm} with its own key", assertion(client_id, stranger, algorithm, brought), None
    yield "RS512 with the key for RS256", assertion(client_id, keys["RS256"], "RS512"), None
    secret = jwk.JWK(kty="oct", kid="RS256", k=keys["RS256"].export_public(as_dict=True)["n"])
    yield "a public key as a secret", assertion(client_id, secret, "HS256"), None


def register(api, keys):
    request = clients.ADMINISTRATION.CreateOAuthClientRequest(
        app_type="web",
        client_name="signs its assertions",
        allowed_auth_methods=["private_key_jwt"],
        public_keys=[clients.public_key(key) for key in keys.values()],
    )
    return api(api.admin.CreateOAuthClient, request).client_id


def main(binary):
    issuing = new_key("ES256", "issuer")
    keys = {algorithm: new_key(algorithm, algorithm) for algorithm in ALGORITHMS}
    strangers = {algorithm: new_key(algorithm, algorithm) for algorithm in ALGORITHMS}
    wrong, count = [], 0
    with Issuer([issuing]) as issuer:
        trust = ["--issuer", ISSUER, "--audience", AUDIENCE, "--jwks-url", issuer.url]
        with Server(binary, *trust) as server:
            scope = "oauth-clients:write oauth-clients:authenticate"
            api = clients.Api(server, token(issuing, "ES256", scope=scope))
            client_id = register(api, keys)
            for name, presented, expected in cases(client_id, keys, strangers):
                count += 1
                got = api.with_assertion(presented, [TOKEN_ENDPOINT, "https://as.example"])
                if got != expected:
                    wrong.append(f"{name}: {got} instead of {expected}")
                if got and api.with_assertion(presented, [TOKEN_ENDPOINT]):
                    wrong.append(f"{name}: accepted twice")
    print(f"{count - len(wrong)} of {count} assertions were treated as expected")
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main(sys.argv[1])
