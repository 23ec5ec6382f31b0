"""The repository and tag of an op's output that is no asset; of assets and partitions the engine knows."""

from __future__ import annotations

from collections.abc import Sequence

from kitops_core.orchestrate.names import segment_of, tag_of


def repository_of_output(identifier: Sequence[str]) -> tuple[str, str]:
    """The repository and tag of an op's output that is no asset, from Dagster's identifier of it.

    Args:
        identifier: Run (a UUID), step, output, and the mapping key of a dynamic output.
    """
    run, step, output, *mapping_key = identifier
    return "/".join(["runs", run, segment_of(step), segment_of(output)]), tag_of((mapping_key or ["latest"])[0])
