"""A skill for agents: when to use this command, and how. Agents read it from ``kitops/SKILL.md`` in their skills."""

from __future__ import annotations

from kitops_core.cli.summary import COMMANDS

_SKILL = """\
---
name: kitops
description: Pack, push, pull, unpack, sign and promote KitOps ModelKits (models with their data, code and docs as one \
OCI artifact) with the `kitops` command. Use it when models or datasets are to be versioned, shared through a \
container registry, verified, promoted between channels, or served.
---

# kitops

A ModelKit is an OCI artifact that holds a model's weights, prompts, code, datasets, docs and parameters. A `Kitfile`
(YAML) says what is in it. The same files give the same digest.

A reference is `registry/repository:tag`, `registry/repository@sha256:...`, a `name:tag` that only means the local
store, or `oci:PATH:tag`, a directory.

## Rules

- Ask before `kitops push`, `kitops pack --push`, `kitops promote`, `kitops rollback`, `kitops prune` and
  `kitops remove --remote`: others see what they do.
- Look first: `kitops pack --dry-run`, `kitops promote --dry-run` and `kitops gc --dry-run` change nothing.
- Never answer an error about credentials with `--allow-secrets`, nor one about Git LFS pointers with
  `--allow-lfs-pointers`, unless the user says so: leave the file out with `.kitignore`, or run `git lfs pull`.
- Read answers with `--json`. Answers go to standard output, everything else to standard error.
- Pin what matters by its digest, which every command answers.
- `kitops COMMAND --help` explains a command; believe it rather than your memory.

## What to run

```console
$ kitops init my-model                          # write a Kitfile from what is there; then read and edit it
$ kitops pack my-model --dry-run                # what would be packed, and what is left out and why
$ kitops pack my-model --tag registry.example.com/ml/my-model:1.0 --push
$ kitops list registry.example.com/ml/my-model --json
$ kitops info registry.example.com/ml/my-model:1.0
$ kitops diff registry.example.com/ml/my-model:1.0 registry.example.com/ml/my-model:1.1
$ kitops unpack registry.example.com/ml/my-model:1.0 --dir out --filter model
$ kitops materialize registry.example.com/ml/my-model:1.0 --to serve
$ kitops verify registry.example.com/ml/my-model:1.0 --key cosign.pub
$ kitops promote dev --to staging --dry-run
```

Exit codes: 0 done, 2 wrong usage, 3 unusable input, 4 not found, 5 denied (log in with `kitops login`), 6 altered or
unsafe content (do not work around it), 7 the registry failed (try again), 8 conflict, 9 a gate refused, 10 lost race.

## Commands

{commands}
"""


def skill_text() -> str:
    """The skill, with every command there is."""
    return _SKILL.format(commands="\n".join(f"- `kitops {name}`: {line}" for name, line in COMMANDS.items()))
