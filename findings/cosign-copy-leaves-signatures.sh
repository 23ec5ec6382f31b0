#!/usr/bin/env bash
# Software:  cosign 3.1.2 in a registry without the referrers API (distribution 3.1.2), with ORAS 1.3.6.
# Guessed:   `cosign copy` takes along what `cosign sign` of the same version signed, as its help says ("copy the
#            container image and signatures"); or ends with an error where it cannot.
# Seen:      it takes the tag of the list of what is attached for the artifact, copies the artifact under that tag at the
#            target, leaves the signature behind and exits 0. There the artifact cannot be verified any more. It says that
#            it is deprecated for `oras copy -r`, and with that the signature comes along.
# Seen when run:
#   cosign verify at the source: yes
#   cosign copy exits with 0
#   cosign verify at the target: no
#   under the tag of the list at the target: the artifact itself
#   cosign verify after oras copy -r: yes
# Needs bash, curl, python3 and Go, which builds cosign for some minutes. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
pid=
finish() {
  kill "$pid" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

export GOBIN="$work/bin" CGO_ENABLED=0
go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2 2>/dev/null
go install oras.land/oras/cmd/oras@v1.3.6 2>/dev/null
go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1.2 2>/dev/null
export OTEL_TRACES_EXPORTER=none HOME="$work" COSIGN_PASSWORD=secret PATH="$GOBIN:$PATH"
cd "$work"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
  "$work/data" "$port" > registry.yml
registry serve registry.yml > registry.log 2>&1 &
pid=$!
for _ in $(seq 100); do curl -s -o /dev/null "http://127.0.0.1:$port/v2/" && break; sleep 0.1; done

verified() { # verified WHERE REFERENCE
  if cosign verify --key cosign.pub --insecure-ignore-tlog=true --allow-http-registry "$2" >/dev/null 2>&1; then
    echo "cosign verify $1: yes"
  else
    echo "cosign verify $1: no"
  fi
}

source="127.0.0.1:$port/source/model" target="127.0.0.1:$port/target/model" again="127.0.0.1:$port/again/model"
echo weights > model.bin
oras push --plain-http "$source:1" model.bin >/dev/null
digest=$(oras resolve --plain-http "$source:1")
cosign generate-key-pair >/dev/null 2>&1
cosign sign --key cosign.key --use-signing-config=false --tlog-upload=false -y --allow-http-registry \
  "$source@$digest" >/dev/null 2>&1
{
  verified "at the source" "$source@$digest"
  cosign copy --allow-http-registry "$source@$digest" "$target:1" >/dev/null 2>&1 && echo "cosign copy exits with 0"
  verified "at the target" "$target@$digest"
  [ "$(oras resolve --plain-http "$target:${digest/:/-}")" = "$digest" ] && listed="the artifact itself" || listed="something else"
  echo "under the tag of the list at the target: $listed"
  oras copy -r --from-plain-http --to-plain-http "$source:1" "$again:1" >/dev/null 2>&1
  verified "after oras copy -r" "$again@$digest"
} | tee seen
diff - seen <<'SEEN' || { echo "changed"; exit 1; }
cosign verify at the source: yes
cosign copy exits with 0
cosign verify at the target: no
under the tag of the list at the target: the artifact itself
cosign verify after oras copy -r: yes
SEEN
