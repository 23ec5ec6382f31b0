"""Print the digits that the model beside this file reads in the images of sample.csv."""

from pathlib import Path

import numpy as np
from skops.io import load

here = Path(__file__).parent
model = load(here / "model.skops")
print(*model.predict(np.loadtxt(here / "sample.csv", delimiter=",")))
