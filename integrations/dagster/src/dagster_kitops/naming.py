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

    The outputs of a step that runs once for each mapping key are tags of one repository, as those of the step that
    yielded the keys are.

    Args:
        identifier: Run (a UUID), step, output, and the mapping key of a dynamic output. The step of a mapped op is
            named ``op[key]``.
    """
    run, step, output, *mapping_key = identifier
    op, _, mapped = step.removesuffix("]").partition("[")
    tag = mapping_key[0] if mapping_key else mapped or "latest"
    return "/".join(["runs", run, segment_of(op), segment_of(output)]), tag_of(tag)
