#!/usr/bin/env bash
# Software:  kitops 1.5.0 on PyPI (PyKitOps), which reads and writes Kitfiles.
# Guessed:   a Kitfile that is loaded and saved again says the same.
# Seen:      fields its model does not have are dropped without a word: the package's licence, the licences of model
#            parts, the parameters of datasets. The reference CLI writes and reads all three. So the usual way
#            (unpack_modelkit(load_kitfile=True), change the version, pack_and_push_modelkit(save_kitfile=True)) sends on
#            a kit whose licence is gone, which a gate on licences then refuses, or, where it asks only for denied ones, lets pass.
# Seen when run:
#   lost: datasets[0].parameters, model.parts[0].license, package.license
#   warnings: 0
# Needs bash and Python 3.10 or newer. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check kitops==1.5.0
cd "$work"
cat > Kitfile <<'YAML'
manifestVersion: 1.0.0
package:
  name: churn
  version: 1.0.0
  license: Apache-2.0
model:
  name: churn
  path: model.bin
  license: MIT
  parts:
  - name: adapter
    path: adapter.bin
    type: lora
    license: CC-BY-NC-4.0
datasets:
- name: training
  path: train.csv
  license: CC-BY-4.0
  parameters:
    rows: 100
YAML
seen=$(venv/bin/python - <<'PYTHON'
import warnings

import yaml
from kitops.modelkit.kitfile import Kitfile


def leaves(value, at=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "parameters":
                yield f"{at}.{key}"
            else:
                yield from leaves(inner, f"{at}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{at}[{index}]")
    else:
        yield at


with open("Kitfile") as file:
    before = set(leaves(yaml.safe_load(file)))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    kitfile = Kitfile(path="Kitfile")
    text = kitfile.to_yaml()
print("lost:", ", ".join(sorted(name.lstrip(".") for name in before - set(leaves(yaml.safe_load(text))))))
print("warnings:", len(caught))
PYTHON
)
echo "$seen"
[[ $seen == $'lost: datasets[0].parameters, model.parts[0].license, package.license\nwarnings: 0' ]] || { echo "changed"; exit 1; }
