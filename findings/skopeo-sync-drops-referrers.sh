#!/usr/bin/env bash
# Software:  skopeo 1.9.3 (Debian 12) between registries without the referrers API (distribution 3.1.2), with what
#            ORAS 1.3.6 attached.
# Guessed:   `skopeo sync` copies all tags of a repository, the fallback tag with the list of referrers among them, so
#            that what is attached is found at the target.
# Seen:      it says it synced them all and exits 0, but takes the list (an index) for a multi-platform image and puts
#            its first entry under the fallback tag. At the target nothing is attached any more: signatures, bills of
#            materials, approvals. With --all the list comes along.
# Seen when run:
#   attached at the source: 2
#   attached after skopeo sync: 0, under the fallback tag: application/vnd.oci.image.manifest.v1+json
#   attached after skopeo sync --all: 2
# Needs Debian 12 on amd64 with its package lists (apt-get update), bash, curl, python3 and Go. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

GOBIN="$work/bin" CGO_ENABLED=0 go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2 2>/dev/null
GOBIN="$work/bin" CGO_ENABLED=0 go install oras.land/oras/cmd/oras@v1.3.6 2>/dev/null
mkdir "$work/debs"
(cd "$work/debs" && apt-get download -qq skopeo=1.9.3+ds1-1+b10 libgpgme11 libassuan0 2>/dev/null)
for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/root"; done
mkdir -p "$work/home/.config/containers"
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > "$work/home/.config/containers/policy.json"
export OTEL_TRACES_EXPORTER=none HOME="$work/home" PATH="$work/bin:$work/root/usr/bin:$PATH"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

serve() { # serve NAME PORT
  printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
    "$work/$1" "$2" > "$work/$1.yml"
  registry serve "$work/$1.yml" > "$work/$1.log" 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do curl -s -o /dev/null "http://127.0.0.1:$2/v2/" && return; sleep 0.1; done
  echo "registry $1 did not start"; exit 1
}

attached() { # attached REFERENCE: how many
  oras discover --plain-http --format json "$1" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["referrers"]))'
}

sync() { # sync REPOSITORY REGISTRY MORE...
  LD_LIBRARY_PATH=$(dirname "$(find "$work/root" -name 'libgpgme.so.11' | head -1)") \
    skopeo sync --src docker --dest docker --src-tls-verify=false --dest-tls-verify=false "${@:3}" "$1" "$2" >/dev/null 2>&1
}

source=$(free_port)
serve source "$source"
target=$(free_port)
serve target "$target"
cd "$work"
echo weights > model.bin
echo signed > signature.txt
echo parts > bom.txt
oras push --plain-http "127.0.0.1:$source/ml/churn:1" --artifact-type application/vnd.example.model model.bin >/dev/null
oras attach --plain-http --artifact-type application/vnd.example.signature "127.0.0.1:$source/ml/churn:1" signature.txt >/dev/null
oras attach --plain-http --artifact-type application/vnd.example.bom "127.0.0.1:$source/ml/churn:1" bom.txt >/dev/null
tag=$(oras resolve --plain-http "127.0.0.1:$source/ml/churn:1" | tr : -)

sync "127.0.0.1:$source/ml/churn" "127.0.0.1:$target/plain"
kind=$(oras manifest fetch --plain-http --descriptor "127.0.0.1:$target/plain/churn:$tag" \
  | python3 -c 'import json, sys; print(json.load(sys.stdin)["mediaType"])')
sync "127.0.0.1:$source/ml/churn" "127.0.0.1:$target/all" --all

before=$(attached "127.0.0.1:$source/ml/churn:1")
plain=$(attached "127.0.0.1:$target/plain/churn:1")
all=$(attached "127.0.0.1:$target/all/churn:1")
echo "attached at the source: $before"
echo "attached after skopeo sync: $plain, under the fallback tag: $kind"
echo "attached after skopeo sync --all: $all"
[[ "$before $plain $all" == "2 0 2" && $kind == application/vnd.oci.image.manifest.v1+json ]] || { echo "changed"; exit 1; }
