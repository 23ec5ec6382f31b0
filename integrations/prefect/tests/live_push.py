"""Packs and pushes kits in flow runs: ``TAG:VERSION`` each."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from conftest import write_bundle
from prefect import flow

from prefect_kitops import pack_modelkit


@flow(name="train")
def train(tag: str, version: str) -> str:
    """Pack one version under one tag."""
    bundle = write_bundle(Path(os.environ["TEST_BUNDLES"], version), f"model {version}".encode(), version=version)
    return pack_modelkit(bundle, f"{os.environ['TEST_KIT']}:{tag}", card=False).digest


for pair in sys.argv[1:]:
    print(train(*pair.split(":")))
