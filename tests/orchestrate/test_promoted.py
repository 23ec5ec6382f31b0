"""What people read after all kits of a policy were promoted."""

from __future__ import annotations

from kitops_core.orchestrate.promoted import not_promoted, promoted_text
from kitops_core.promotion.promote_all import ChannelOutcome, PromotedAll

DIGEST = "sha256:" + "1" * 64
MOVED = ChannelOutcome("registry.example.com/ml/churn", "staging", "promoted", DIGEST)
STAYED = ChannelOutcome("registry.example.com/ml/churn", "prod", "unchanged", DIGEST)
EMPTY = ChannelOutcome("registry.example.com/ml/new", "prod", "empty")
REFUSED = ChannelOutcome("registry.example.com/ml/fraud", "prod", "refused", DIGEST, "license (*GPL*)", 9)
FAILED = ChannelOutcome("registry.example.com/ml/spam", "prod", "failed", "", "it does not answer", 6)


def test_what_did_not_go_ahead_comes_first_then_what_moved_and_the_rest_is_counted() -> None:
    done = PromotedAll((MOVED, STAYED, REFUSED, FAILED, EMPTY))
    *rows, last = [line for line in promoted_text(done).splitlines() if line]
    assert rows[2:] == [
        "| failed | `registry.example.com/ml/spam` | prod | it does not answer |",
        "| refused | `registry.example.com/ml/fraud` | prod | license (\\*GPL\\*) |",
        f"| promoted | `registry.example.com/ml/churn` | staging | `{DIGEST}` |",
    ]
    assert last == "1 unchanged, 1 empty"
    assert not_promoted(done).splitlines() == [
        "2 of 5 promotions did not go ahead:",
        "registry.example.com/ml/spam to prod failed: it does not answer",
        "registry.example.com/ml/fraud to prod refused: license (*GPL*)",
    ]


def test_where_all_went_well_nothing_did_not() -> None:
    assert not_promoted(PromotedAll((MOVED, STAYED, EMPTY))) == ""
    assert promoted_text(PromotedAll((STAYED,))) == "1 unchanged"
    assert promoted_text(PromotedAll((MOVED,))).splitlines()[-1].startswith("| promoted |")


def test_a_thousand_that_failed_are_fifty_lines() -> None:
    lines = not_promoted(PromotedAll((FAILED,) * 1000)).splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("1000 of 1000 promotions did not go ahead:", 52, "and 950 more")
