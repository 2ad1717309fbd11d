"""An issuer of access tokens whose keys and signatures are jwcrypto's."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from jwcrypto import jwk, jwt

ISSUER = "https://issuer.example"
AUDIENCE = "oauth-clients"
# What each algorithm needs of a key (RFC 7518 section 3.1, RFC 8037 section 3.1).
KEYS = {
    "RS256": {"kty": "RSA", "size": 2048},
    "RS384": {"kty": "RSA", "size": 3072},
    "RS512": {"kty": "RSA", "size": 4096},
    "ES256": {"kty": "EC", "crv": "P-256"},
    "ES384": {"kty": "EC", "crv": "P-384"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
}


def new_key(algorithm, kid):
    return jwk.JWK.generate(kid=kid, use="sig", alg=algorithm, **KEYS[algorithm])


def claims(**changes):
    """The claims of a good token, with some changed, or, where they are None, left out."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "admin",
        "tenant_id": "acme",
        "scope": "oauth-clients:read oauth-clients:write",
        "exp": int(time.time()) + 60,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(key, algorithm, header=None, **changes):
    header = {"alg": algorithm, "typ": "at+jwt", "kid": key["kid"]} | (header or {})
    made = jwt.JWT(header=header, claims=claims(**changes), algs=[algorithm])
    made.make_signed_token(key)
    return made.serialize()


class Issuer:
    """Publishes keys over HTTP until the end of a `with` block."""

    def __init__(self, keys):
        self.keys = keys
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                public = [json.loads(key.export_public()) for key in issuer.keys]
                self.wfile.write(json.dumps({"keys": public}).encode())

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
