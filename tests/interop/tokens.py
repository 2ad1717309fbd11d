"""The server accepts and refuses the access tokens of an independent library as it does those of its own tests.

Usage: tokens.py BINARY
"""

import sys
import urllib.error
import urllib.request

from issuer import AUDIENCE, ISSUER, KEYS, Issuer, new_key, token
from jwcrypto import jwk
from server import Server


def status(server, bearer):
    request = urllib.request.Request(f"{server.rest}/api/core/oauth-clients")
    request.add_header("Authorization", f"Bearer {bearer}")
    try:
        with urllib.request.urlopen(request) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def cases(keys, strangers):
    """Yields names, tokens, and the status that each must get."""
    for algorithm, key in keys.items():
        yield f"{algorithm}", token(key, algorithm), 200
        stranger = strangers[algorithm]
        yield f"{algorithm} of a stranger", token(stranger, algorithm), 401
        yield f"{algorithm} of a stranger's kid", token(stranger, algorithm, {"kid": "stranger"}), 401
        yield f"{algorithm} expired", token(key, algorithm, exp=1), 401
        yield f"{algorithm} without exp", token(key, algorithm, exp=None), 401
        yield f"{algorithm} for others", token(key, algorithm, aud="others"), 401
        yield f"{algorithm} without a scope", token(key, algorithm, scope=None), 403
        embedded = {"jwk": stranger.export_public(as_dict=True)}
        yield f"{algorithm} with its own key", token(stranger, algorithm, embedded), 401
    rsa, secret = keys["RS256"], jwk.JWK.generate(kty="oct", size=256, kid="RS256")
    yield "several audiences", token(rsa, "RS256", aud=["others", AUDIENCE]), 200
    yield "scp as a list", token(rsa, "RS256", scope=None, scp=["oauth-clients:read"]), 200
    yield "typ JWT", token(rsa, "RS256", {"typ": "JWT"}), 200
    yield "an ID token", token(rsa, "RS256", {"typ": "id+jwt"}), 401
    yield "an algorithm that the key is not for", token(rsa, "RS384"), 401
    yield "a shared secret", token(secret, "HS256"), 401
    public = jwk.JWK(kty="oct", kid="RS256", k=rsa.export_public(as_dict=True)["n"])
    yield "a public key as a secret", token(public, "HS256"), 401


def main(binary):
    keys = {algorithm: new_key(algorithm, algorithm) for algorithm in KEYS}
    strangers = {algorithm: new_key(algorithm, algorithm) for algorithm in KEYS}
    wrong = []
    with Issuer(list(keys.values())) as issuer:
        trust = ["--issuer", ISSUER, "--audience", AUDIENCE, "--jwks-url", issuer.url]
        with Server(binary, *trust, "--tier1-per-minute", "0") as server:
            table = list(cases(keys, strangers))
            for name, bearer, expected in table:
                got = status(server, bearer)
                if got != expected:
                    wrong.append(f"{name}: {got} instead of {expected}")
            new = new_key("ES256", "new")
            issuer.keys = [new]
            # An unknown key of the table had the keys fetched less than ten seconds ago.
            if status(server, token(new, "ES256")) != 401:
                wrong.append("the keys were fetched twice in ten seconds")
    print(f"{len(table) - len(wrong)} of {len(table)} tokens were treated as expected")
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main(sys.argv[1])
