#!/usr/bin/env bash
# Software:  safetensors 0.8.0 and 0.7.0, NumPy 2.4.6, scikit-learn 1.9.1 (PyPI).
# Guessed:   what safetensors.numpy.save takes is what load gives back: an array in Fortran's order is contiguous, and
#            NumPy says that it equals its copy in C's order. Torch's side of the library refuses what it cannot write.
# Seen:      since 0.8.0 the memory is written as it lies under the shape of the array, and nothing is said: the
#            components of scikit-learn's PCA come back with their numbers in other places. 0.7.0 gave them back as they
#            were. numpy.asarray(array, order="C") before saving is right with both.
# Seen when run:
#   0.7.0, components of PCA in Fortran's order: the same
#   0.8.0, components of PCA in Fortran's order: other numbers
#   0.8.0, a transposed matrix: other numbers
#   0.8.0, components of PCA after asarray(order="C"): the same
# Needs bash and Python 3.11 or newer. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6 scikit-learn==1.9.1
"$work/venv/bin/pip" install -q --disable-pip-version-check --no-deps --target "$work/before" safetensors==0.7.0
cat > "$work/save.py" <<'PYTHON'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load, save
from sklearn.decomposition import PCA

samples = np.random.default_rng(0).normal(size=(200, 8)).astype("float32")
components = PCA(4, svd_solver="full").fit(samples).components_.T.copy(order="F")
arrays = {"components of PCA in Fortran's order": components}
if sys.argv[1:]:
    arrays["a transposed matrix"] = samples.T
    arrays['components of PCA after asarray(order="C")'] = np.asarray(components, order="C")
for name, array in arrays.items():
    back = load(save({"a": array}))["a"]
    assert back.shape == array.shape
    print(f"{safetensors.__version__}, {name}: {'the same' if np.array_equal(back, array) else 'other numbers'}")
PYTHON
{
  PYTHONPATH="$work/before" "$work/venv/bin/python" "$work/save.py"
  "$work/venv/bin/python" "$work/save.py" more
} | tee "$work/seen"
diff - "$work/seen" <<'SEEN' || { echo "changed"; exit 1; }
0.7.0, components of PCA in Fortran's order: the same
0.8.0, components of PCA in Fortran's order: other numbers
0.8.0, a transposed matrix: other numbers
0.8.0, components of PCA after asarray(order="C"): the same
SEEN
