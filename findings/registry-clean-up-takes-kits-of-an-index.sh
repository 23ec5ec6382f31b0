#!/usr/bin/env bash
# Software:  distribution 2.8.2 (Debian 12's docker-registry), `garbage-collect --delete-untagged`.
# Guessed:   what a tagged index names is in use, so that the clean-up of what has no tag leaves it.
# Seen:      it deletes the manifests that the index names and all their layers, and the registry goes on serving the
#            index, whose every entry is 404 then: what `oras cp` or a push by digest put there without a tag is lost.
# Seen when run:
#   index 200, what it names 404 404
# Needs Debian 12 on amd64 with its package lists (apt-get update), bash, curl and python3. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

mkdir "$work/debs"
(cd "$work/debs" && apt-get download -qq docker-registry=2.8.2+ds1-1 2>/dev/null)
dpkg -x "$work"/debs/*.deb "$work/root"
registry="$work/root/usr/bin/docker-registry"

cat > "$work/push.py" <<'EOF'
"""Push two manifests by their digests, and an index of them by a tag; print the digests."""

import hashlib, json, sys, urllib.request

base = f"http://{sys.argv[1]}/v2/ml/llm"
MANIFEST, INDEX = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"


def send(method, url, data, kind):
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": kind})
    with urllib.request.urlopen(request) as answer:
        return answer.headers.get("Location", "")


def described(kind, data):
    return {"mediaType": kind, "digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}


def blob(kind, data):
    place = send("POST", f"{base}/blobs/uploads/", b"", "application/octet-stream")
    found = described(kind, data)
    send("PUT", f"{place}{'&' if '?' in place else '?'}digest={found['digest']}", data, "application/octet-stream")
    return found


def manifest(kind, tag="", **fields):
    data = json.dumps({"schemaVersion": 2, "mediaType": kind, **fields}).encode()
    found = described(kind, data)
    send("PUT", f"{base}/manifests/{tag or found['digest']}", data, kind)
    return found


kits = [
    manifest(
        MANIFEST,
        artifactType="application/vnd.example.model",
        config=blob("application/vnd.oci.empty.v1+json", b"{}"),
        layers=[blob("application/octet-stream", name)],
    )
    for name in (b"q4_0", b"q8_0")
]
index = manifest(INDEX, "all", manifests=kits)
print(index["digest"], *(kit["digest"] for kit in kits))
EOF

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
  "$work/data" "$port" > "$work/config.yml"
"$registry" serve "$work/config.yml" > "$work/log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do curl -s -o /dev/null "http://127.0.0.1:$port/v2/" && break; sleep 0.1; done

read -r -a digests < <(python3 "$work/push.py" "127.0.0.1:$port")
"$registry" garbage-collect --delete-untagged "$work/config.yml" > "$work/collected" 2>&1
seen=()
for digest in "${digests[@]}"; do
  seen+=("$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/v2/ml/llm/manifests/$digest" \
    -H 'Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json')")
done
echo "index ${seen[0]}, what it names ${seen[1]} ${seen[2]}"
[[ "${seen[*]}" == "200 404 404" ]] || { echo "changed"; exit 1; }
