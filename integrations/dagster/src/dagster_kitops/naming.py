"""What Dagster's names become: the repository and tag of an op's output that is no asset, and a name made of any text.

The repositories of assets and the tags of partitions the engine knows.
"""

from __future__ import annotations

from collections.abc import Sequence

from kitops_core.orchestrate.names import segment_of, tag_of


def identifier_of(text: str) -> str:
    """A text as part of the name of a job or a check: what cannot be in one becomes ``_``."""
    return "".join(character if character.isalnum() else "_" for character in text)


def repository_of_output(identifier: Sequence[str]) -> tuple[str, str]:
    """The repository and tag of an op's output that is no asset, from Dagster's identifier of it.

    Args:
        identifier: Run (a UUID), step, output, and the mapping key of a dynamic output.
    """
    run, step, output, *mapping_key = identifier
    return "/".join(["runs", run, segment_of(step), segment_of(output)]), tag_of((mapping_key or ["latest"])[0])
