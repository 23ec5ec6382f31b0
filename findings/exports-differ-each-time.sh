#!/usr/bin/env bash
# Software:  safetensors 0.8.0, CatBoost 1.2.10, skops 0.16.0, LightGBM 4.7.0, NumPy 2.4.6, scikit-learn 1.9.1 (PyPI).
# Guessed:   the same model of the same data, seeds and one thread, saved in two processes, is the same file, as the
#            tensors, trees and coefficients in it are the same.
# Seen:      safetensors writes metadata in an order that differs from process to process, so two keys are enough for
#            another file; CatBoost writes a guid and the time of training into cbm, json and onnx alike; skops writes
#            numbers of Python objects. So a digest changes though nothing did, and what compares digests (a cache, a
#            promotion, "skip if unchanged") sees a new model each time. With one metadata key, with CatBoost's two
#            fields emptied by get_metadata(), as LightGBM's text and NumPy's npz the files are the same.
# Seen when run:
#   safetensors, 1 key: same
#   safetensors, 8 keys: differs
#   CatBoost cbm: differs
#   CatBoost onnx: differs
#   CatBoost cbm, two fields emptied: same
#   skops: differs
#   LightGBM text: same
#   NumPy npz: same
# Needs bash and Python 3.11 or newer. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check safetensors==0.8.0 catboost==1.2.10 skops==0.16.0 \
  lightgbm==4.7.0 numpy==2.4.6 scikit-learn==1.9.1
cat > "$work/save.py" <<'PYTHON'
import pathlib
import sys

import lightgbm
import numpy as np
import skops.io
from catboost import CatBoostClassifier
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression

to = pathlib.Path(sys.argv[1])
to.mkdir()
x, y = np.arange(20.0).reshape(10, 2), np.array([0, 1] * 5)
for keys in (1, 8):
    save_file({"a": x}, to / f"safetensors, {keys} key{'s' * (keys > 1)}", metadata={str(key): "" for key in range(keys)})
trees = CatBoostClassifier(iterations=2, random_seed=1, thread_count=1, verbose=0, allow_writing_files=False).fit(x, y)
trees.save_model(str(to / "CatBoost cbm"))
trees.save_model(str(to / "CatBoost onnx"), format="onnx")
for name in ("model_guid", "train_finish_time"):
    trees.get_metadata()[name] = ""
trees.save_model(str(to / "CatBoost cbm, two fields emptied"))
skops.io.dump(LogisticRegression().fit(x, y), to / "skops")
boosted = lightgbm.train({"verbose": -1, "seed": 1, "num_threads": 1}, lightgbm.Dataset(x, y), 2)
boosted.save_model(str(to / "LightGBM text"))
np.savez(to / "NumPy.npz", a=x)
(to / "NumPy.npz").rename(to / "NumPy npz")
PYTHON
cd "$work"
for run in one two; do
  venv/bin/python save.py "$run" >/dev/null
  sleep 1
done
while read -r name; do
  cmp -s "one/$name" "two/$name" && echo "$name: same" || echo "$name: differs"
done > seen <<'NAMES'
safetensors, 1 key
safetensors, 8 keys
CatBoost cbm
CatBoost onnx
CatBoost cbm, two fields emptied
skops
LightGBM text
NumPy npz
NAMES
cat seen
diff - seen <<'SEEN' || { echo "changed"; exit 1; }
safetensors, 1 key: same
safetensors, 8 keys: differs
CatBoost cbm: differs
CatBoost onnx: differs
CatBoost cbm, two fields emptied: same
skops: differs
LightGBM text: same
NumPy npz: same
SEEN
