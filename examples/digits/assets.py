"""The asset graph: images -> classifier -> evaluation -> card -> the kit -> labels read from the kit.

Only two assets know of ModelKits: ``digit_reader`` returns the contents of one, ``labels`` takes one as its input.
The data set comes with scikit-learn, so nothing is downloaded.
"""

# Dagster reads the annotations of a Config when the class is made, so they are not postponed here.

from pathlib import Path
from typing import NamedTuple

import dagster as dg
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from dagster_kitops import ModelKit, ModelKitContents

SAMPLE_ROWS = 20


class Images(NamedTuple):
    """Images of 8 by 8 pixels, one a row, and the digits they show; some to learn from and some to test with."""

    train: np.ndarray
    train_digits: np.ndarray
    test: np.ndarray
    test_digits: np.ndarray


class Training(dg.Config):
    """How to train: a larger ``regularization`` fits the training images more closely."""

    regularization: float = 1.0


@dg.asset
def images() -> Images:
    """Scikit-learn's handwritten digits, split the same way each time."""
    pixels, digits = load_digits(return_X_y=True)
    train, test, train_digits, test_digits = train_test_split(pixels, digits, test_size=0.3, random_state=0)
    return Images(train, train_digits, test, test_digits)


@dg.asset
def classifier(images: Images, config: Training) -> SVC:
    """A support vector machine, fitted."""
    return SVC(C=config.regularization).fit(images.train, images.train_digits)


@dg.asset
def evaluation(images: Images, classifier: SVC) -> dict[str, float]:
    """What it gets right on images it has not seen."""
    return {"accuracy": round(float(classifier.score(images.test, images.test_digits)), 4)}


@dg.asset
def card(classifier: SVC, evaluation: dict[str, float]) -> str:
    """The model card."""
    return (
        "# Digit reader\n\n"
        f"Reads a handwritten digit from 8 by 8 pixels. Right in {evaluation['accuracy']:.1%} of the test images.\n\n"
        f"A scikit-learn SVC with C={classifier.C:g}. `python predict.py` reads the images of `sample.csv`.\n"
    )


@dg.asset(io_manager_key="modelkit")
def digit_reader(images: Images, classifier: SVC, evaluation: dict[str, float], card: str) -> ModelKitContents:
    """Everything somebody else needs to use the model and to judge it."""
    sample = "\n".join(",".join(f"{pixel:g}" for pixel in row) for row in images.test[:SAMPLE_ROWS])
    return ModelKitContents(
        model=classifier,
        code=[Path(__file__).with_name("predict.py")],
        datasets={"sample.csv": f"{sample}\n".encode()},
        docs={"README.md": card.encode()},
        parameters=classifier.get_params(),
        metrics=evaluation,
        description="Reads a handwritten digit from 8 by 8 pixels",
        license="Apache-2.0",
    )


@dg.asset
def labels(digit_reader: ModelKit) -> list[int]:
    """The digits that the packed model reads in the packed sample: the digest Dagster recorded as this run's input."""
    model = digit_reader.load()
    sample = np.loadtxt(digit_reader.read_text("sample.csv").splitlines(), delimiter=",")
    return [int(digit) for digit in model.predict(sample)]


ALL = [images, classifier, evaluation, card, digit_reader, labels]
