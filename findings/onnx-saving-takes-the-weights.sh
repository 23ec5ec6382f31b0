#!/usr/bin/env bash
# Software:  onnx 1.23.2, NumPy 2.4.6 (PyPI).
# Guessed:   onnx.save writes a model and leaves it as it is, also where it puts the weights into a file of their own.
# Seen:      with save_as_external_data=True the weights leave the model in memory: it has names of files for them, which
#            count from wherever it is written next. Saved or serialized again, as by whoever packs or registers the
#            object that was just saved, it is a small file without weights, and nothing is said. onnx.load of what was
#            saved takes them in again.
# Seen when run:
#   weights in memory, before: 262144 bytes
#   weights in memory, after onnx.save with external data: 0 bytes
#   saved again elsewhere: less than 1000 bytes, and its weights are there: no
#   loaded and saved elsewhere: more than 262144 bytes
# Needs bash and Python 3.11 or newer. Exit 0: as stated; 1: changed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check onnx==1.23.2 numpy==2.4.6
cd "$work"
mkdir first second third
cat > save.py <<'PYTHON'
import pathlib

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

weights = numpy_helper.from_array(numpy.ones((256, 256), "float32"), "w")
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 256]) for name in "xy"]
graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weights])
model = helper.make_model(graph)


def held():
    return len(model.graph.initializer[0].raw_data)


print(f"weights in memory, before: {held()} bytes")
onnx.save(model, "first/m.onnx", save_as_external_data=True, location="m.data")
print(f"weights in memory, after onnx.save with external data: {held()} bytes")
onnx.save(model, "second/m.onnx")
size = pathlib.Path("second/m.onnx").stat().st_size
there = "yes" if pathlib.Path("second/m.data").exists() else "no"
print(f"saved again elsewhere: {'less' if size < 1000 else 'more'} than 1000 bytes, and its weights are there: {there}")
onnx.save(onnx.load("first/m.onnx"), "third/m.onnx")
size = pathlib.Path("third/m.onnx").stat().st_size
print(f"loaded and saved elsewhere: {'more' if size > 262144 else 'less'} than 262144 bytes")
PYTHON
"$work/venv/bin/python" save.py | tee seen
diff - seen <<'SEEN' || { echo "changed"; exit 1; }
weights in memory, before: 262144 bytes
weights in memory, after onnx.save with external data: 0 bytes
saved again elsewhere: less than 1000 bytes, and its weights are there: no
loaded and saved elsewhere: more than 262144 bytes
SEEN
