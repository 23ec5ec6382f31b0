"""Manifests as YAML."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from kitops_core.serving.manifests.pods import Manifest


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and lists that two places share twice instead of by reference."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def to_yaml(manifests: Sequence[Manifest]) -> str:
    """Several documents of YAML, in the order and with the order of fields given."""
    return yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, explicit_start=True, width=120, allow_unicode=True)
