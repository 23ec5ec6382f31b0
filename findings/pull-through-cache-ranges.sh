#!/usr/bin/env bash
# Software:  distribution 3.1.2 (the CNCF registry; 2.8 does the same) as a pull-through cache of another registry.
# Guessed:   a cache answers a Range request for a blob as the registry behind it does: 206 and that part.
# Seen:      until it has the whole blob it answers 200 with the whole blob, and fetches it whole from upstream for each
#            request. A client that fetches a large blob in parallel ranges makes the cache fetch all of it that often.
# Seen when run:
#   first range request: 200, 83886080 bytes
#   the same a little later: 206, 10 bytes
#   8 ranges of another blob at once: 8 x 200, 671088640 bytes for 83886080
# Needs bash, curl, python3 and Go. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
export OTEL_TRACES_EXPORTER=none

GOBIN="$work/bin" CGO_ENABLED=0 go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2 2>/dev/null

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

serve() { # serve NAME PORT MORE
  printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n%s\n' \
    "$work/$1" "$2" "$3" > "$work/$1.yml"
  "$work/bin/registry" serve "$work/$1.yml" > "$work/$1.log" 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do curl -s -o /dev/null "http://127.0.0.1:$2/v2/" && return; sleep 0.1; done
  echo "registry $1 did not start"; exit 1
}

upstream=$(free_port)
serve upstream "$upstream" ""
cache=$(free_port)
serve cache "$cache" "proxy: {remoteurl: 'http://127.0.0.1:$upstream'}"

push() { # push FILE: prints its digest
  local digest location
  digest=sha256:$(sha256sum "$1" | cut -d' ' -f1)
  location=$(curl -sS -f -o /dev/null -X POST -w '%header{location}' "http://127.0.0.1:$upstream/v2/demo/blobs/uploads/")
  curl -sS -f -o /dev/null -X PUT -H 'Content-Type: application/octet-stream' -T "$1" "$location&digest=$digest"
  echo "$digest"
}

fetch() { # fetch DIGEST RANGE: prints status and bytes
  curl -sS -o /dev/null -w '%{http_code} %{size_download}\n' -H "Range: bytes=$2" "http://127.0.0.1:$cache/v2/demo/blobs/$1"
}

size=83886080
head -c $size /dev/urandom > "$work/one"
head -c $size /dev/urandom > "$work/two"
one=$(push "$work/one")
two=$(push "$work/two")

first=$(fetch "$one" 100-109)
for _ in $(seq 50); do # it stores what it served a little later
  later=$(fetch "$one" 100-109)
  [[ $later == "206 10" ]] && break
  sleep 0.2
done
fetchers=()
for i in 0 1 2 3 4 5 6 7; do
  fetch "$two" "$((i * size / 8))-$(((i + 1) * size / 8 - 1))" > "$work/part$i" &
  fetchers+=($!)
done
wait "${fetchers[@]}"
whole=$(cat "$work"/part? | grep -c "^200 $size\$" || true)
total=$(cat "$work"/part? | awk '{ sum += $2 } END { print sum }')

echo "first range request: ${first/ /, } bytes"
echo "the same a little later: ${later/ /, } bytes"
echo "8 ranges of another blob at once: $whole x 200, $total bytes for $size"
[[ $first == "200 $size" && $later == "206 10" && $whole -ge 2 ]] || { echo "changed"; exit 1; }
