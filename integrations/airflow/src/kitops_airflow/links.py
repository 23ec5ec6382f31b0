"""The link from a task's page to its kit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom, conf
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, TaskInstanceKey
log = logging.getLogger(__name__)

KIT_PAGES = {
    "docker.io": "https://hub.docker.com/r/{repository}/tags",
    "ghcr.io": "https://ghcr.io/{repository}",
    "jozu.ml": "https://jozu.ml/repository/{repository}",
    "quay.io": "https://quay.io/repository/{repository}/manifest/{digest}",
}
"""Where registries show a kit to people."""

DEFAULT_KIT_URL = "https://{registry}/v2/{repository}/tags/list"
"""What every registry shows to a browser: a manifest is refused to one, which does not ask for its media type."""


class ModelKitLink(BaseOperatorLink):
    """Leads to the kit that a task packed, pulled or promoted.

    That is ``[kitops] kit_url`` with the kit filled in; by default the kit's page at one of the registries that have
    pages, and elsewhere its repository's list of tags.
    """

    name = "ModelKit"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The URL, or an empty string where the task has no kit, such as when it failed."""
        if AIRFLOW_V_3_0_PLUS:  # the worker asks when the task ends, with the operator that ran
            return kit_url(getattr(operator, "linked_kit", {}))
        record = XCom.get_value(key="return_value", ti_key=ti_key)
        return kit_url(record) if isinstance(record, dict) else ""


def kit_url(record: Mapping[str, Any]) -> str:
    """Where to look at a kit, from its record or from the same keys of it."""
    if not record.get("digest") or not record.get("registry"):
        return ""
    template: str = conf.get("kitops", "kit_url", fallback="") or ""
    fields = {key: str(record.get(key, "")) for key in ("registry", "repository", "digest")}
    if template:
        try:
            return template.format_map(fields)
        except (KeyError, ValueError, IndexError):
            log.warning("[kitops] kit_url is not a URL with {registry}, {repository} and {digest}: %s", template)
            return ""
    url = KIT_PAGES.get(fields["registry"].lower(), DEFAULT_KIT_URL).format_map(fields)
    local = fields["registry"].partition(":")[0] in ("localhost", "127.0.0.1")
    return url.replace("https://", "http://", 1) if local else url
