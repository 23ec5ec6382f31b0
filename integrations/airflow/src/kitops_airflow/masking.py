"""Keeping secrets out of task logs."""

from __future__ import annotations


def mask(secret: str) -> None:
    """Ask Airflow to show ``***`` wherever ``secret`` would appear in a log or a rendered field."""
    try:
        from airflow.sdk.log import mask_secret
    except ImportError:  # Airflow before 3.1
        from airflow.utils.log.secrets_masker import mask_secret  # type: ignore
    mask_secret(secret)
