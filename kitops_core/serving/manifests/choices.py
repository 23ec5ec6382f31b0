"""What manifests are filled in with."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kitops_core.errors import InvalidInputError
from kitops_core.version import __version__

_LABEL = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")  # RFC 1035, as Services have it
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
DEFAULT_IMAGE = f"kitops-core:{__version__}"
"""The image that ``deploy/Dockerfile`` builds; whoever builds it pushes it where their cluster pulls from."""

_NAME_LENGTH = 52
"""The longest name of a CronJob, whose Jobs get eleven characters more."""


@dataclass(frozen=True)
class ManifestOptions:
    """Names in the cluster.

    Attributes:
        name: The name of everything made, a DNS label that begins with a letter, of at most 52 characters; the kit's
            where it is empty.
        image: The image with the ``kitops`` command.
        namespace: The namespace; without one, that of whoever applies the manifests.
        pull_secret: A Secret of the type ``kubernetes.io/dockerconfigjson``, for the nodes and for ``kitops``.
        key_secret: A Secret as ``cosign generate-key-pair k8s://NAMESPACE/NAME`` makes it: ``cosign.pub`` to verify
            with, ``cosign.key`` and ``cosign.password`` to sign with.
        claim: A PersistentVolumeClaim: with the files to pack, or where models are kept for several pods.
        server_image: The image of the server, where it is not the kind's own.

    Raises:
        InvalidInputError: A name is none that Kubernetes takes.
    """

    name: str = ""
    image: str = DEFAULT_IMAGE
    namespace: str = ""
    pull_secret: str = ""
    key_secret: str = ""
    claim: str = ""
    server_image: str = ""

    def __post_init__(self) -> None:
        if self.name and (not _LABEL.fullmatch(self.name) or len(self.name) > _NAME_LENGTH):
            raise InvalidInputError(
                f"'{self.name}' cannot be a name in Kubernetes",
                hint=f"use up to {_NAME_LENGTH} lower-case letters, digits and '-', beginning with a letter",
            )
        if self.namespace and not (_NAMESPACE.fullmatch(self.namespace) and len(self.namespace) <= 63):
            raise InvalidInputError(f"'{self.namespace}' cannot be a namespace", hint="use lower-case letters and '-'")
        for what, name in (("pull secret", self.pull_secret), ("key secret", self.key_secret), ("claim", self.claim)):
            if name and not (_SUBDOMAIN.fullmatch(name) and len(name) <= 253):
                raise InvalidInputError(
                    f"'{name}' cannot be the name of a {what}", hint="use lower-case letters and '-'"
                )
        for image in (self.image, self.server_image):
            if re.search(r"\s", image) or (not image and image is self.image):
                raise InvalidInputError(f"'{image}' is not the reference of an image", hint="write registry/image:tag")

    def named(self, *candidates: str) -> ManifestOptions:
        """The same with a name: its own, else the first candidate that gives one.

        Raises:
            InvalidInputError: None does.
        """
        return self if self.name else replace(self, name=name_from(*candidates))


def name_from(*candidates: str) -> str:
    """The first candidate that gives a name: lower case, everything else made ``-``, and a letter first.

    Raises:
        InvalidInputError: None does.
    """
    for candidate in candidates:
        if slug := re.sub(r"[^a-z0-9]+", "-", candidate.lower()).strip("-"):
            return (slug if slug[0].isalpha() else f"kit-{slug}")[:_NAME_LENGTH].strip("-")
    raise InvalidInputError("the kit has no name that Kubernetes could take", hint="give one with --name")
