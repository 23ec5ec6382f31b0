#!/usr/bin/env bash
# Software:  oras 0.2.43 on PyPI (oras-py), with its default authentication, as kserve-storage 0.21 uses it.
# Guessed:   a registry that asks for a user name and password (`WWW-Authenticate: Basic realm="private"`, as zot and the
#            distribution registry with htpasswd do) gets them.
# Seen:      the default way, `token`, takes the realm of every challenge for a token service's address. "private" is
#            looked up as a host, six times in about two minutes, and then the read fails with a ConnectionError that
#            names neither the registry nor the login. With auth_backend="basic" the same read works at once; KServe's
#            initializer gives no way to say so.
# Seen when run:
#   token: ConnectionError after 6 requests, 0 of them with a login
#   basic: read after 2 requests, 1 of them with a login
# Needs bash and Python 3.10 or newer, and two minutes. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check oras==0.2.43
"$work/venv/bin/python" - > "$work/seen" <<'PYTHON'
import http.server
import threading

import oras.client

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
asked = []


class Registry(http.server.BaseHTTPRequestHandler):
    """One manifest, for whoever logs in."""

    def do_GET(self):
        login = self.headers.get("Authorization", "").startswith("Basic ")
        asked.append(login)
        body = b'{"schemaVersion":2,"mediaType":"%s","config":{},"layers":[]}' % MANIFEST.encode() if login else b"{}"
        self.send_response(200 if login else 401)
        self.send_header("Content-Type", MANIFEST if login else "application/json")
        if not login:
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *said):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
threading.Thread(target=server.serve_forever, daemon=True).start()
host = f"127.0.0.1:{server.server_port}"
for backend in ("token", "basic"):
    client = oras.client.OrasClient(hostname=host, insecure=True, auth_backend=backend)
    client.auth.set_basic_auth("somebody", "a-password")
    asked.clear()
    try:
        client.get_manifest(f"{host}/ml/churn:1")
        came = "read"
    except Exception as error:
        came = type(error).__name__
    print(f"{backend}: {came} after {len(asked)} requests, {sum(asked)} of them with a login")
PYTHON
cat "$work/seen"
diff - "$work/seen" <<'SEEN' || { echo "changed"; exit 1; }
token: ConnectionError after 6 requests, 0 of them with a login
basic: read after 2 requests, 1 of them with a login
SEEN
