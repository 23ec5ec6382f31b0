"""Packs and pushes kits in one flow run, as fast as it goes: ``TAG:VERSION`` each."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from conftest import write_bundle
from prefect import flow

from prefect_kitops import pack_modelkit


@flow(name="train")
def train(pairs: list[str]) -> list[str]:
    """Pack each version under its tag."""
    digests = []
    for tag, version in (pair.split(":") for pair in pairs):
        bundle = write_bundle(Path(os.environ["TEST_BUNDLES"], version), f"model {version}".encode(), version=version)
        digests.append(pack_modelkit(bundle, f"{os.environ['TEST_KIT']}:{tag}", card=False).digest)
    return digests


print(*train(sys.argv[1:]))
