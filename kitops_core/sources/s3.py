"""Objects of S3 that a Kitfile names and no kit holds: found, described, and fetched with a check of every byte.

The environment says where they are, under the reference CLI's names: ``S3_API_ENDPOINT``, ``S3_REGION``,
``S3_ACCESS_KEY_ID`` and ``S3_SECRET_KEY``. What is not said there comes from where AWS's own tools look.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import parse_qs, quote, unquote, urlsplit

from kitops_core.errors import (
    DeniedError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    RegistryError,
    SourceChangedError,
)
from kitops_core.events import Control
from kitops_core.version import USER_AGENT

_MD5 = re.compile(r"([0-9a-f]{32})(?:-([1-9][0-9]{0,4}))?")
_MAX_PARTS = 10_000  # of an upload, by S3's own rule
_BUFFER_BYTES = 1024 * 1024
_GONE = ("404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NotFound")
_DENIED = ("401", "403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken")


@dataclass(frozen=True)
class S3Url:
    """The address of an object.

    Attributes:
        bucket: The bucket.
        key: The object's key.
        version: Its version, or an empty string for the one it has now.
    """

    bucket: str
    key: str
    version: str = ""

    @staticmethod
    def parse(text: str) -> S3Url:
        """Read ``s3://bucket/key``, with ``?versionId=...`` or not.

        Raises:
            InvalidInputError: It is no such address.
        """
        parts = urlsplit(text)
        query = parse_qs(parts.query)
        if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or not parts.path.strip("/"):
            shown = text if "@" not in parts.netloc else "s3://...@..."
            raise InvalidInputError(f"'{shown}' is no object of S3", hint="write s3://bucket/key, without credentials")
        return S3Url(parts.netloc, unquote(parts.path[1:]), query.get("versionId", [""])[0])

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.key.rstrip("/").rpartition("/")[2]

    def __str__(self) -> str:
        version = f"?versionId={quote(self.version, safe='')}" if self.version else ""
        return f"s3://{self.bucket}/{quote(self.key)}{version}"


@dataclass(frozen=True)
class S3Object:
    """An object as it was found.

    Attributes:
        url: Its address, with its version where the bucket keeps versions.
        etag: Its ETag, without quotes.
        size: Its size in bytes.
        encrypted: Whether its ETag says nothing of its bytes, because a key of the customer's encrypts it.
    """

    url: S3Url
    etag: str
    size: int
    encrypted: bool = False


class S3:
    """S3, as the environment says where it is."""

    def __init__(self) -> None:
        """Make a client.

        Raises:
            InvalidInputError: AWS's library is not installed, or cannot be told where S3 is.
        """
        try:
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
            from botocore.session import Session
        except ImportError:
            raise InvalidInputError(
                "to read objects of S3, its client is needed",
                hint="install it with: pip install 'kitops-core[objects]'",
            ) from None
        key, secret = os.environ.get("S3_ACCESS_KEY_ID"), os.environ.get("S3_SECRET_KEY")
        given = {"aws_access_key_id": key, "aws_secret_access_key": secret} if key and secret else {}
        endpoint = os.environ.get("S3_API_ENDPOINT") or None
        style = {"s3": {"addressing_style": "path"}} if endpoint else {}
        try:
            self._client: Any = Session().create_client(
                "s3",
                region_name=os.environ.get("S3_REGION") or None,
                endpoint_url=endpoint,
                config=Config(user_agent_extra=USER_AGENT, retries={"mode": "standard"}, **style),
                **given,
            )
        except (BotoCoreError, ValueError) as error:
            raise InvalidInputError(f"S3 cannot be used as the environment says: {error}") from None

    def find(self, url: S3Url) -> S3Object:
        """What an object is now; of a bucket that keeps versions, under the address of that version.

        Raises:
            NotFoundError: There is no such object.
            DeniedError, RegistryError: S3 refused or failed.
        """
        with _errors(url):
            head = self._client.head_object(**_named(url))
        version = str(head.get("VersionId") or "")
        pinned = S3Url(url.bucket, url.key, url.version or ("" if version == "null" else version))
        encrypted = head.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in head
        return S3Object(pinned, _bare(head.get("ETag")), int(head["ContentLength"]), encrypted)

    def fetch(self, url: S3Url, etag: str, file: BinaryIO, control: Control) -> int:
        """Read an object that has to have an ETag.

        Where the ETag is an MD5 of the object, or of the parts that it was uploaded in, the bytes are checked against
        it; of an object that a key of the customer's encrypts, S3 itself is trusted with that.

        Args:
            url: The object.
            etag: Its ETag, with or without quotes.
            file: Where its bytes go, to be read again. They count only once this returned.
            control: Cancelling.

        Returns:
            Its size in bytes.

        Raises:
            SourceChangedError: It has another ETag by now.
            IntegrityError: The bytes are not those of its ETag.
            NotFoundError, DeniedError, RegistryError: As for :meth:`find`.
        """
        found, wanted = self.find(url), _bare(etag)
        if found.etag != wanted:
            raise _changed(url, wanted, found.etag)
        check = None if found.encrypted else self._check(found)
        done = 0
        with _errors(url, wanted):
            body = self._client.get_object(**_named(url), IfMatch=f'"{wanted}"')["Body"]
            try:
                while data := body.read(_BUFFER_BYTES):
                    control.check()
                    file.write(data)
                    if check is not None:
                        check.update(data)
                    done += len(data)
            finally:
                body.close()
        if done != found.size:
            raise IntegrityError(f"{url} ended after {done} of {found.size} bytes", hint="try again")
        if check is not None and check.etag() != wanted and self._etag_again(found, file) != wanted:
            raise IntegrityError(f"{url} was altered: its bytes make the ETag {check.etag()}, not {wanted}")
        return done

    def _check(self, found: S3Object) -> _ETag | None:
        """What works out the object's ETag; ``None`` where it is none that can be."""
        match = _MD5.fullmatch(found.etag)
        if match is None or int(match[2] or 0) > _MAX_PARTS:
            return None
        if not match[2]:
            return _ETag([])
        count = int(match[2])
        first = self._part(found.url, 1)  # as tools upload: all parts are as long, but for the last
        return _ETag([first] * (count - 1) + [max(found.size - first * (count - 1), 0)])

    def _etag_again(self, found: S3Object, file: BinaryIO) -> str:
        """The ETag of what was read, where each part may have a size of its own."""
        count = int(found.etag.rpartition("-")[2]) if "-" in found.etag else 0
        check = _ETag([self._part(found.url, number) for number in range(1, count + 1)])
        file.seek(0)
        while data := file.read(_BUFFER_BYTES):
            check.update(data)
        return check.etag()

    def _part(self, url: S3Url, number: int) -> int:
        with _errors(url):
            return int(self._client.head_object(**_named(url), PartNumber=number)["ContentLength"])


class _ETag:
    """An ETag worked out as bytes pass: the MD5 of all, or of the MD5s of parts."""

    def __init__(self, parts: list[int]) -> None:
        self._left = parts
        self._count = len(parts)
        self._digest = hashlib.md5(usedforsecurity=False)
        self._digests = b""

    def update(self, data: bytes) -> None:
        view = memoryview(data)
        while self._count and len(view) >= (self._left[0] if self._left else len(view) + 1):
            self._digest.update(view[: self._left[0]])
            view = view[self._left.pop(0) :]
            self._digests += self._digest.digest()
            self._digest = hashlib.md5(usedforsecurity=False)
        self._digest.update(view)
        if self._count and self._left:
            self._left[0] -= len(view)

    def etag(self) -> str:
        if not self._count:
            return self._digest.hexdigest()
        return f"{hashlib.md5(self._digests, usedforsecurity=False).hexdigest()}-{self._count}"


def _named(url: S3Url) -> dict[str, str]:
    return {"Bucket": url.bucket, "Key": url.key, **({"VersionId": url.version} if url.version else {})}


def _bare(etag: object) -> str:
    return str(etag or "").strip().removeprefix("W/").strip('"')


def _changed(url: S3Url, wanted: str, found: str) -> SourceChangedError:
    return SourceChangedError(
        f"{url} is not what the kit names: its ETag is {found or 'another'}, and was {wanted}",
        hint="ask for the version that was packed, or pack the kit again",
    )


@contextmanager
def _errors(url: S3Url, wanted: str = "") -> Iterator[None]:
    """Turn what S3's client raises into our errors; none of it names a key."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    from botocore.exceptions import HTTPClientError as HttpError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        if code in ("412", "PreconditionFailed"):
            raise _changed(url, wanted, "") from None
        if code in _GONE:
            raise NotFoundError(f"there is no object {url}", hint="is it the right bucket, key and version?") from None
        if code in _DENIED:
            raise DeniedError(
                f"S3 does not let us read {url}", hint="set S3_ACCESS_KEY_ID and S3_SECRET_KEY, or log in to AWS"
            ) from None
        raise RegistryError(f"S3 cannot give {url}: {code or status}", hint="try again later") from None
    except NoCredentialsError:
        raise DeniedError(
            f"there are no credentials to read {url} with",
            hint="set S3_ACCESS_KEY_ID and S3_SECRET_KEY, or log in to AWS",
        ) from None
    except (BotoCoreError, HttpError, OSError) as error:
        raise RegistryError(f"S3 cannot be reached for {url}: {type(error).__name__}", hint="try again later") from None
