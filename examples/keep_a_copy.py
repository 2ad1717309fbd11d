"""Keeps a copy of the clients of a tenant in sync: prints the name of each client that is new or changed.

Usage: keep_a_copy.py http://127.0.0.1:8080 STATE_FILE, with the bearer token (scope oauth-clients:audit) in $TOKEN
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request


def follow(url, state):
    """Follows one stream to its end. `state` has the copy, and the token with which the next stream continues it."""
    query = f"resumeToken={state['token']}" if state["token"] else "sendInitial=true"
    request = urllib.request.Request(f"{url}/api/core/oauth-client-changes:watch?{query}")
    request.add_header("Authorization", f"Bearer {os.environ['TOKEN']}")
    with urllib.request.urlopen(request, timeout=30) as lines:  # A message comes at least every 10 seconds.
        for line in lines:
            message = json.loads(line)
            if "error" in message:
                return print(message["error"]["code"], file=sys.stderr)
            yield message["result"]


def apply(message, state):
    client = message.get("initial") or message.get("change", {}).get("client")
    client_id = message["change"]["change"]["clientId"] if "change" in message else (client or {}).get("clientId")
    if client and not client.get("deletedAt"):
        state["clients"][client_id] = client
        print(client_id, client["clientName"], flush=True)
    elif client_id:
        state["clients"].pop(client_id, None)
    state["token"] = message["resumeToken"]


def main(url, path):
    state = json.load(open(path)) if os.path.exists(path) else {"token": None, "clients": {}}
    while True:
        try:
            for message in follow(url, state):
                apply(message, state)
                with open(f"{path}.new", "w") as file:  # The copy and its token together, or neither.
                    json.dump(state, file)
                os.replace(f"{path}.new", path)
        except urllib.error.HTTPError as error:
            if error.code == 410:  # RESUME_TOKEN_EXPIRED: begin again.
                state = {"token": None, "clients": {}}
            elif error.code in (400, 401, 403):
                raise SystemExit(error.read().decode())
        except OSError as error:
            print(error, file=sys.stderr)
        time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
