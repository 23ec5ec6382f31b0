"""Datasets that stay where they are: a Kitfile names them, with what they are now, and no kit holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kitops_core.errors import InvalidInputError
from kitops_core.kitfile.entries import is_modelkit_reference
from kitops_core.sources.s3 import S3, S3Url

if TYPE_CHECKING:
    from kitops_core.kitfile import Dataset, Kitfile


def remote_datasets(named: Mapping[str, str]) -> list[Dataset]:
    """Entries for datasets in S3, with the hash, the size and, where the bucket keeps them, the version of now.

    A ModelKit reference is taken as it is: its digest, where it has one, says what it is.

    Args:
        named: Their addresses, ``s3://bucket/key`` or a ModelKit reference, by their names.

    Raises:
        InvalidInputError: One is neither, two have one name in the kit, or S3's client is not installed.
        NotFoundError: There is no such object.
        DeniedError, RegistryError: S3 refused or failed.
    """
    from kitops_core.kitfile import Dataset

    found: list[Dataset] = []
    storage: S3 | None = None
    for name, address in named.items():
        if is_modelkit_reference(address):
            found.append(Dataset(name=name, path=name, remote_path=address))
            continue
        url = S3Url.parse(address)
        storage = storage or S3()
        item = storage.find(url)
        if any(dataset.path == url.name for dataset in found):
            raise InvalidInputError(f"two remote datasets would both be '{url.name}'", hint="name them in a Kitfile")
        found.append(
            Dataset(
                name=name,
                path=url.name,
                remote_path=str(item.url),
                remote_hash=item.etag,
                parameters={"size": item.size},
            )
        )
    return found


def with_remote(kitfile: Kitfile, named: Mapping[str, str]) -> Kitfile:
    """A Kitfile with more datasets that stay where they are; one of the same name is replaced.

    Raises:
        KitOpsError: As for :func:`remote_datasets`.
    """
    more = remote_datasets(named)
    kept = [dataset for dataset in kitfile.datasets if dataset.name not in named]
    return kitfile.model_copy(update={"datasets": [*kept, *more]})
