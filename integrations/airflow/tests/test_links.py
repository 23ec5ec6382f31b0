"""Where the link on a task's page leads."""

from __future__ import annotations

import pytest

from kitops_airflow.links import kit_url

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("registry", "url"),
    [
        ("docker.io", "https://hub.docker.com/r/ml/churn/tags"),
        ("ghcr.io", "https://ghcr.io/ml/churn"),
        ("jozu.ml", "https://jozu.ml/repository/ml/churn"),
        ("quay.io", f"https://quay.io/repository/ml/churn/manifest/{DIGEST}"),
        ("registry.example.com", "https://registry.example.com/v2/ml/churn/tags/list"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000/v2/ml/churn/tags/list"),
    ],
)
def test_it_leads_to_a_page_that_a_browser_can_show(registry: str, url: str) -> None:
    assert kit_url({"registry": registry, "repository": "ml/churn", "digest": DIGEST}) == url


def test_a_task_without_a_kit_has_no_link() -> None:
    assert kit_url({}) == ""


def test_the_configuration_can_name_another_page(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kit = {"registry": "r.example.com", "repository": "ml/churn", "digest": DIGEST}
    monkeypatch.setenv("AIRFLOW__KITOPS__KIT_URL", "https://ui.example.com/{repository}?d={digest}")
    assert kit_url(kit) == f"https://ui.example.com/ml/churn?d={DIGEST}"
    monkeypatch.setenv("AIRFLOW__KITOPS__KIT_URL", "https://ui.example.com/{repo}")
    assert kit_url(kit) == ""
    assert "kit_url is not a URL with {registry}, {repository} and {digest}" in caplog.text
