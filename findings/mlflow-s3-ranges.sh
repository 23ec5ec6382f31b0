#!/usr/bin/env bash
# Software:  MLflow 3.17.2, its server handing out artifacts (--serve-artifacts) that lie in S3 (moto 5.2.5 stands for it).
# Guessed:   what HEAD says of an artifact holds for GET, as it does where the artifacts lie in a directory: there ranges
#            are announced, and a Range request gets 206 and that part.
# Seen:      with S3 behind it HEAD announces `accept-ranges: bytes` and a content-length, and GET gives the whole
#            artifact with 200 and without a length, whatever range was asked for; the server fetches it whole from S3
#            each time. Who takes the announcement for an answer and asks for 8 ranges at once moves 16 times the bytes;
#            who resumes a download by appending what comes to what it has, has a wrong file.
# Seen when run:
#   directory: HEAD announces ranges: yes; GET of 10 bytes: 206, 10 bytes
#   S3: HEAD announces ranges: yes; GET of 10 bytes: 200, 20000000 bytes
# Needs bash, curl and Python 3.10 to 3.13. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check mlflow==3.17.2 'moto[server]==5.2.5'
export PATH="$work/venv/bin:$PATH" MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=1

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

up() { # up URL LOG
  for _ in $(seq 300); do curl -s -o /dev/null "$1" && return; sleep 0.2; done
  tail -5 "$2"
  echo "$1 did not start"; exit 1
}

s3=$(free_port)
moto_server -H 127.0.0.1 -p "$s3" > "$work/moto.log" 2>&1 &
pids+=($!)
export AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing AWS_DEFAULT_REGION=us-east-1
export AWS_ENDPOINT_URL="http://127.0.0.1:$s3" MLFLOW_S3_ENDPOINT_URL="http://127.0.0.1:$s3"
up "http://127.0.0.1:$s3/" "$work/moto.log"
python3 -c 'import boto3; boto3.client("s3").create_bucket(Bucket="artifacts")'
head -c 20000000 /dev/urandom > "$work/model.bin"

ask() { # ask NAME DESTINATION: prints what HEAD says and what GET does
  local port url head got
  port=$(free_port)
  mkdir "$work/$1"
  mlflow server --host 127.0.0.1 --port "$port" --workers 1 --backend-store-uri "sqlite:///$work/$1/db" \
    --serve-artifacts --artifacts-destination "$2" > "$work/$1.log" 2>&1 &
  pids+=($!)
  up "http://127.0.0.1:$port/health" "$work/$1.log"
  url=$(MLFLOW_TRACKING_URI="http://127.0.0.1:$port" python3 - "$work/model.bin" <<'PYTHON'
import os, sys
import mlflow

with mlflow.start_run():
    mlflow.log_artifact(sys.argv[1])
    place = mlflow.get_artifact_uri("model.bin").removeprefix("mlflow-artifacts:/")
with open(os.path.dirname(sys.argv[1]) + "/place", "w") as file:
    file.write(place)
PYTHON
  ) >/dev/null 2>"$work/$1.client"
  url="http://127.0.0.1:$port/api/2.0/mlflow-artifacts/artifacts/$(cat "$work/place")"
  head=$(curl -sS -I "$url" | grep -qi '^accept-ranges: bytes' && echo yes || echo no)
  got=$(curl -sS -o /dev/null -w '%{http_code}, %{size_download} bytes' -H 'Range: bytes=100-109' "$url")
  echo "$1: HEAD announces ranges: $head; GET of 10 bytes: $got"
}

directory=$(ask directory "$work/files")
bucket=$(ask S3 s3://artifacts/mlflow)
echo "$directory"
echo "$bucket"
[[ $directory == "directory: HEAD announces ranges: yes; GET of 10 bytes: 206, 10 bytes" &&
  $bucket == "S3: HEAD announces ranges: yes; GET of 10 bytes: 200, 20000000 bytes" ]] || { echo "changed"; exit 1; }
