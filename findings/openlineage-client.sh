#!/usr/bin/env bash
# Software:  openlineage-python 1.54.0 (PyPI).
# Guessed:   the transport "console", which is also what an unconfigured client falls back to, prints events; making a
#            client only reads the environment; a receiver that refuses connections is told of at once; the asynchronous
#            transport sends what was emitted before the program ends; a variable wins over a file.
# Seen:      - it writes to Python's log at INFO: a program that configures no logging prints nothing, not even where the
#              client has just said "will print events to console".
#            - making a client writes OPENLINEAGE_URL and the key into further variables of the process; a client made
#              after the address changed still finds the old one in its configuration.
#            - one event to a port where nobody listens takes six tries and about nine seconds.
#            - an event that was emitted asynchronously is lost where nobody closes the client.
#            - an openlineage.yml in the working directory wins over OPENLINEAGE_URL.
# Seen when run:
#   console: printed 0 events
#   without a configuration: said "will print events to console", printed 0 events
#   making a client: added AUTH TYPE URL, then found http://127.0.0.1:1 for http://127.0.0.1:2
#   a refused connection: 6 tries, over 8 s: yes
#   asynchronous, not closed: 0 of 1 arrived; closed: 1 of 1
#   file and OPENLINEAGE_URL: file
# Needs bash and Python 3.10 to 3.13. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check openlineage-python==1.54.0
for name in $(env | sed -n 's/^\(OPENLINEAGE[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
export HOME="$work"
mkdir -p "$work/empty" "$work/with-file"
echo "transport: {type: file, log_file_path: $work/events.json, append: true}" >"$work/with-file/openlineage.yml"

cat >"$work/emit.py" <<'EOF'
import sys, uuid
from datetime import datetime, timezone
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

client = OpenLineageClient()
client.emit(
    RunEvent(
        eventType=RunState.COMPLETE,
        eventTime=datetime.now(timezone.utc).isoformat(),
        run=Run(str(uuid.uuid4())),
        job=Job("ns", "job"),
        producer="https://example.com",
    )
)
if sys.argv[1:] == ["close"]:
    client.close(10)
EOF
cat >"$work/environment.py" <<'EOF'
import os
from openlineage.client import OpenLineageClient

os.environ.update(OPENLINEAGE_URL="http://127.0.0.1:1", OPENLINEAGE_API_KEY="key")
before = {*os.environ}
OpenLineageClient()
added = sorted(name.rpartition("__")[2] for name in {*os.environ} - before)
os.environ["OPENLINEAGE_URL"] = "http://127.0.0.1:2"
found = OpenLineageClient().config.transport["transports"]["default_http"]["url"]
print(f"added {' '.join(added)}, then found {found} for {os.environ['OPENLINEAGE_URL']}")
EOF
cat >"$work/receiver.py" <<'EOF'
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        with open(sys.argv[1], "a") as file:
            file.write("arrived\n")
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
EOF
python="$work/venv/bin/python"
here() { (cd "$work/$1" && shift && env "$@"); }
events() { grep -c '"eventTime"' "$1" || true; }

here empty OPENLINEAGE__TRANSPORT__TYPE=console "$python" "$work/emit.py" >"$work/console" 2>&1
here empty "$python" "$work/emit.py" >"$work/unconfigured" 2>&1
said=$(grep -o "will print events to console" "$work/unconfigured" || true)
environment=$(here empty "$python" "$work/environment.py")

cat >"$work/refused.py" <<'EOF'
import runpy, sys, time, urllib3.connection

tries = []
connect = urllib3.connection.HTTPConnection.connect
urllib3.connection.HTTPConnection.connect = lambda self: (tries.append(1), connect(self))[1]
started = time.monotonic()
try:
    runpy.run_path(sys.argv[1])
except Exception as error:
    assert "refused" in str(error), error
print(f"{len(tries)} tries, over 8 s: {'yes' if time.monotonic() - started > 8 else 'no'}")
EOF
refused=$(here empty OPENLINEAGE_URL=http://127.0.0.1:9 "$python" "$work/refused.py" "$work/emit.py" 2>/dev/null)

"$python" "$work/receiver.py" "$work/arrived" >"$work/port" &
receiver=$!
trap 'kill "$receiver" 2>/dev/null; rm -rf "$work"' EXIT
until [ -s "$work/port" ]; do sleep 0.1; done
url=http://127.0.0.1:$(cat "$work/port")
sent() {
    : >"$work/arrived"
    here empty OPENLINEAGE__TRANSPORT__TYPE=async_http OPENLINEAGE__TRANSPORT__URL="$url" "$python" "$work/emit.py" "$@"
    sleep 2
    wc -l <"$work/arrived" | tr -d ' '
}
left=$(sent) closed=$(sent close)
: >"$work/arrived"
here with-file OPENLINEAGE_URL="$url" "$python" "$work/emit.py"
[ -s "$work/arrived" ] && winner=variable || winner=file

{
    echo "console: printed $(events "$work/console") events"
    echo "without a configuration: said \"$said\", printed $(events "$work/unconfigured") events"
    echo "making a client: $environment"
    echo "a refused connection: $refused"
    echo "asynchronous, not closed: $left of 1 arrived; closed: $closed of 1"
    echo "file and OPENLINEAGE_URL: $winner"
} | tee "$work/said"
diff "$work/said" - <<'EOF' || { echo changed; exit 1; }
console: printed 0 events
without a configuration: said "will print events to console", printed 0 events
making a client: added AUTH TYPE URL, then found http://127.0.0.1:1 for http://127.0.0.1:2
a refused connection: 6 tries, over 8 s: yes
asynchronous, not closed: 0 of 1 arrived; closed: 1 of 1
file and OPENLINEAGE_URL: file
EOF
