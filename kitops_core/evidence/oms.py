"""OpenSSF model signing (OMS): a signature over each file of a kit, which holds wherever the files go.

Needs the ``oms`` extra. The signature is a Sigstore bundle as ``model_signing`` writes and reads it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_core.errors import InvalidInputError, VerificationError
from kitops_core.evidence.predicate_types import OMS
from kitops_core.evidence.statements import Evidence
from kitops_core.staged import scratch

if TYPE_CHECKING:
    from kitops_core.signing.keys import PublicKey, SigningKey


def sign_files(directory: Path, key: SigningKey) -> bytes:
    """Sign all files below a directory.

    Returns:
        The signature, a Sigstore bundle.

    Raises:
        InvalidInputError: The ``oms`` extra is not installed.
    """
    library = _library()
    with scratch("sign") as temporary:
        # The library takes keys as files only; what is on the disk for a moment is encrypted.
        password, pem = secrets.token_hex(32).encode(), temporary / "key.pem"
        pem.write_bytes(key.to_pem(password))
        config = library.signing.Config().use_elliptic_key_signer(private_key=pem, password=password)
        config.set_hashing_config(_every_file(library)).sign(directory, temporary / "signature")
        return (temporary / "signature").read_bytes()


def check_files(directory: Path, evidence: Sequence[Evidence], keys: Sequence[PublicKey]) -> PublicKey:
    """Verify that the files below a directory are just those that one of the keys signed.

    Args:
        directory: Where they are.
        evidence: What is attached to the kit they came from.
        keys: Keys of which any may have signed.

    Returns:
        The key that signed.

    Raises:
        VerificationError: Files are missing, altered or not covered, or none of the keys signed them.
        InvalidInputError: The ``oms`` extra is not installed.
    """
    library = _library()
    signed = [found for found in evidence if found.predicate_type == OMS and found.bundle and found.bundle.hint]
    problem = "no signature of the files is attached"
    with scratch("sign") as temporary:
        pem, signature = temporary / "key.pub", temporary / "signature"
        for found in signed:
            signature.write_bytes(found.bundle.raw if found.bundle else b"")
            for key in keys:
                pem.write_bytes(key.pem)
                config = library.verifying.Config().use_elliptic_key_verifier(public_key=pem)
                try:
                    config.set_hashing_config(_every_file(library)).verify(directory, signature)
                except Exception as error:  # the bundle is a stranger's: whatever the library makes of it
                    problem = " ".join(str(error).split()) or "it is not signed by the key"
                else:
                    return key
    raise VerificationError(f"the files are not those that {', '.join(key.name for key in keys)} signed: {problem}")


def _every_file(library: Any) -> Any:
    return library.hashing.Config().set_ignored_paths(paths=(), ignore_git_paths=False)


def _library() -> Any:
    try:
        import model_signing.hashing
        import model_signing.signing
        import model_signing.verifying
    except ImportError:
        raise InvalidInputError(
            "signatures of files need the 'oms' extra", hint="pip install 'kitops-core[oms]'"
        ) from None
    return model_signing
