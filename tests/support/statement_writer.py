"""A process that attaches statements to one manifest: ``REGISTRY REPOSITORY DIGEST NAME COUNT``.

It begins when a line comes on standard input, and prints the digest of each statement once that is attached.
"""

from __future__ import annotations

import sys
from contextlib import closing

from kitops_core.evidence.statement import statement_for
from kitops_core.evidence.statements import attach_statement
from kitops_core.storage.registry import RegistryOptions, RegistryRepository


def main(registry: str, name: str, digest: str, writer: str, count: str) -> None:
    with closing(RegistryRepository(registry, name, RegistryOptions(backoff=0.2))) as repository:
        subject = repository.resolve(digest)
        print("ready", flush=True)
        sys.stdin.readline()
        for index in range(int(count)):
            statement = statement_for(digest, "https://example.com/x", {"writer": writer, "index": index})
            print(attach_statement(repository, subject, statement).digest, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
