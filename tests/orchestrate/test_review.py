"""What a kit's author wrote is read in a card and does nothing there: read by a Markdown parser, it is text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from signing_tools import OTHER_KEY

from kitops_core import NotFoundError, PublicKey, load_policy
from kitops_core.orchestrate.markdown import MAX_LINES, MAX_ROWS, block, code, plain, table
from kitops_core.orchestrate.review import gate_figures, kit_card, plan_text
from kitops_core.promotion.gate_result import GateResult
from kitops_core.promotion.result import Promotion
from kitops_core.record import LayerRecord, ModelKitRecord

NASTY = [
    "churn",
    "a|b",
    "`code`",
    "``",
    "[click](javascript:alert(1))",
    "![pixel](https://evil.example.com/pixel.png)",
    "<img src=x onerror=alert(1)>",
    "<https://evil.example.com>",
    "# heading",
    "> quote",
    "snake_case and _emphasis_ and **strong** and ~~gone~~",
    "two\n\nparagraphs\n- and a list",
    "a backslash \\ and one before a bar \\|",
    "ends in a backslash \\",
]


def tokens(text: str) -> list[Token]:
    parsed = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [token for outer in parsed for token in [outer, *(outer.children or [])]]


@pytest.mark.parametrize("text", NASTY)
def test_text_is_text_and_code_is_code(text: str) -> None:
    written = "\n".join(table(("plain", "code"), [(plain(text), code(text))]))
    inline = [token for token in tokens(written) if token.type == "inline"]
    assert len(inline) == 4, "the table has two cells in each of two rows"
    shown, coded = inline[2], inline[3]
    assert {child.type for child in shown.children or []} <= {"text", "text_special"}
    assert "".join(child.content for child in shown.children or []) == " ".join(text.split())
    assert [child.type for child in coded.children or []] == ["code_inline"]


@pytest.mark.parametrize("text", NASTY)
def test_a_card_shows_what_a_kit_is_called_and_nothing_more(text: str) -> None:
    layer = LayerRecord(
        section="model", path=text, digest=f"sha256:{'b' * 64}", size=1, diff_id=f"sha256:{'b' * 64}", media_type="x"
    )
    record = ModelKitRecord(
        digest=f"sha256:{'a' * 64}",
        reference="registry.example.com/ml/churn:dev",
        registry="registry.example.com",
        repository="ml/churn",
        tag="dev",
        tags=("dev",),
        size=1,
        kit={"name": text, "description": text, "authors": [text]},
        layers=(layer,),
        changed=True,
    )
    kinds = {token.type for token in tokens(kit_card(record, f"package:\n  name: |\n    {text}\n"))}
    assert not kinds & {"link_open", "image", "html_inline", "html_block", "em_open", "strong_open", "blockquote_open"}


def test_what_is_too_long_to_read_is_counted() -> None:
    assert f"and {1000 - MAX_ROWS} more" in table(("n",), [(str(number),) for number in range(1000)])
    assert f"and {1000 - MAX_LINES} more lines" in block("line\n" * 1000, "yaml")
    assert len(plain("x" * 10_000)) < 1000
    assert len("\n".join(block("x" * 1_000_000, "yaml"))) < 10_000


def test_nothing_ends_a_block_of_code() -> None:
    kinds = [token.type for token in tokens("\n".join(block("a: |\n  ```\n  ````\n# heading", "yaml")))]
    assert kinds == ["fence"]


def plan() -> Promotion:
    kit = ModelKitRecord(
        digest=f"sha256:{'a' * 64}",
        reference="registry.example.com/ml/churn:prod",
        registry="registry.example.com",
        repository="ml/churn",
        tag="prod",
        tags=("prod",),
        size=1,
        kit={"name": "churn", "version": "1.2.0"},
        layers=(),
        changed=False,
    )
    return Promotion(
        action="promote",
        channel="prod",
        reference="registry.example.com/ml/churn:prod",
        digest=kit.digest,
        previous_digest=f"sha256:{'b' * 64}",
        changed=False,
        gates=(GateResult("signed by <b>release.pub</b>", True), GateResult("soaked in dev", False, "3h | so far")),
        kit=kit,
        dry_run=True,
    )


def test_a_plan_shows_both_kits_every_gate_the_figures_and_what_differs() -> None:
    promotion = plan()
    text = plan_text(promotion, {"accuracy": 0.94}, {"accuracy": 0.91, "auc": 0.7})
    assert "**prod** of `registry.example.com/ml/churn:prod`: churn 1.2.0" in text
    for cell in (f"`{promotion.digest}`", f"`sha256:{'b' * 64}`", "| ✗ | soaked in dev | 3h \\| so far |"):
        assert cell in text
    assert "| accuracy | 0.94 | 0.91 |" in text
    assert "| auc |  | 0.7 |" in text
    assert not {token.type for token in tokens(text)} & {"html_inline", "html_block"}
    assert "| now | nothing |" in plan_text(replace(promotion, previous_digest=""))


def test_the_figures_of_a_gate_with_keys_of_its_own_are_what_those_keys_signed(tmp_path: Path) -> None:
    (tmp_path / "auditor.pub").write_bytes(OTHER_KEY.public.pem)
    (tmp_path / "promotion.yaml").write_text(
        "kit: registry.example.com/ml/churn\nchannels: {dev: {}, prod: {from: dev, gates: ["
        "{metric: {name: auc, min: 0.5, key: auditor.pub}}, {metric: {name: bias, max: 1, key: auditor.pub}}]}}\n"
    )
    policy = load_policy(tmp_path / "promotion.yaml")
    audited = policy.keys(["auditor.pub"])

    def metrics(kit: str, *, trusted: tuple[PublicKey, ...]) -> dict[str, float]:
        if kit.endswith("b" * 64):
            raise NotFoundError("gone")
        return {"auc": 0.6} if trusted == audited else {"auc": 0.9, "bias": 0.0, "accuracy": 0.8}

    assert gate_figures(metrics, "registry.example.com/ml/churn:dev", plan(), policy) == (
        {"auc": 0.6, "accuracy": 0.8},
        {},
    )
