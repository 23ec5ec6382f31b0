#!/usr/bin/env bash
# Software:  filelock 4.3.1 (PyPI), on a volume mounted with sshfs 3.7 (Debian): SoftFileLease.
# Guessed:   its class describes a claim that a contender takes once it has seen no refresh for lease_duration seconds,
#            and speaks of the NFS-style file systems a lease targets. So a lease of 2 seconds, whose holder was killed
#            on another mount of the same volume, is taken over after about 2 seconds.
# Seen:      it is not, where a file system refuses to exchange two names atomically (renameat2 with RENAME_EXCHANGE).
#            sshfs does; NFS and SMB do, by a comment in filelock's source. A contender that waits ten times the lease's
#            duration gets Timeout. On a local file system the same processes take it over.
# Seen when run:
#   local file system: taken
#   sshfs:             not taken over within 20 s
# Needs root, /dev/fuse and apt-get. Exit 0: as stated; 1: changed; 2: it cannot be tried here.
set -euo pipefail

[ "$(id -u)" = 0 ] && [ -c /dev/fuse ] && command -v apt-get >/dev/null || { echo "needs root, /dev/fuse, apt-get"; exit 2; }
work=$(mktemp -d)
server=
cleanup() {
    for mount in one two; do umount -l "$work/$mount" 2>/dev/null || true; done
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check filelock==4.3.1
chmod 755 "$work"
(cd "$work" && apt-get -o APT::Sandbox::User=root download -qq sshfs libfuse3-3 openssh-sftp-server)
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done
libraries=$(dirname "$(find "$work/root" -name 'libfuse3.so.3' | head -n 1)")
mkdir "$work/volume" "$work/local" "$work/one" "$work/two"

cat >"$work/server.py" <<'EOF'
import socket, subprocess, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    with connection:
        subprocess.Popen([sys.argv[1]], stdin=connection.fileno(), stdout=connection.fileno())
EOF
mkfifo "$work/port"
python3 "$work/server.py" "$work/root/usr/lib/openssh/sftp-server" >"$work/port" &
server=$!
read -r port <"$work/port"
for mount in one two; do
    LD_LIBRARY_PATH=$libraries "$work/root/usr/bin/sshfs" -o "directport=$port" "127.0.0.1:$work/volume" "$work/$mount"
done

cat >"$work/lease.py" <<'EOF'
import sys, time
from filelock import SoftFileLease, Timeout
path, patience = sys.argv[1], float(sys.argv[2])
started = time.monotonic()
lease = SoftFileLease(path, lease_duration=2)
try:
    lease.acquire(timeout=patience)
except Timeout:
    print(f"not taken over within {patience:g} s")
else:
    print("taken" if time.monotonic() - started < patience else "late", flush=True)
    time.sleep(60 if patience == 1 else 0)
EOF

# A holder takes the lease at $1 and is killed; what a contender at $2 then gets is printed.
takeover() {
    "$work/venv/bin/python" "$work/lease.py" "$1" 1 >"$work/held" &
    local holder=$!
    until grep -q taken "$work/held"; do sleep 0.2; done
    kill -9 "$holder"
    wait "$holder" 2>/dev/null || true
    "$work/venv/bin/python" "$work/lease.py" "$2" 20
}

local_result=$(takeover "$work/local/lease" "$work/local/lease")
network_result=$(takeover "$work/one/lease" "$work/two/lease")
echo "local file system: $local_result"
echo "sshfs:             $network_result"
[ "$local_result" = taken ] && [ "$network_result" = "not taken over within 20 s" ]
