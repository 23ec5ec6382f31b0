"""What a job over all kits of a policy tells: no more for more kits that stayed, and each that did not go well."""

from __future__ import annotations

import json

from kitops_core.orchestrate.promoted import outcome_text, promoted_metadata, promoted_text, promoted_wrong
from kitops_core.promotion.promote_all import ChannelOutcome, PromotedAll
from kitops_core.promotion.result import Promotion
from kitops_core.record import ModelKitRecord

DIGEST = "sha256:" + "a" * 64
KIT = "r.example.com/ml/churn"


def done(*outcomes: ChannelOutcome) -> PromotedAll:
    return PromotedAll(outcomes)


def moved() -> ChannelOutcome:
    kit = ModelKitRecord(DIGEST, f"{KIT}:prod", "r.example.com", "ml/churn", "prod", ("prod",), 1, {}, (), True)
    promotion = Promotion("promote", "prod", f"{KIT}:prod@{DIGEST}", DIGEST, "", True, (), kit, record="sha256:r")
    return ChannelOutcome(KIT, "prod", "promoted", DIGEST, promotion=promotion)


def test_channels_that_stayed_are_counted_and_all_others_told_of_in_plain_json() -> None:
    stayed = [ChannelOutcome(f"{KIT}-{number}", "prod", "unchanged", DIGEST) for number in range(1000)]
    refused = ChannelOutcome(KIT, "eu", "refused", "", "license (none)", 9)
    found = promoted_metadata(done(*stayed, moved(), refused))
    assert found == {
        "dry_run": False,
        "counts": {"unchanged": 1000, "promoted": 1, "refused": 1},
        "promoted": [{"kit": KIT, "channel": "prod", "digest": DIGEST, "previous_digest": "", "record": "sha256:r"}],
        "refused": [{"kit": KIT, "channel": "eu", "digest": "", "reason": "license (none)"}],
        "failed": [],
    }
    assert len(json.dumps(found)) < 1000


def test_what_failed_comes_before_what_was_refused_and_that_may_be_no_failure() -> None:
    refused = ChannelOutcome(KIT, "eu", "refused", "", "license (none)", 9)
    failed = ChannelOutcome(KIT, "us", "failed", "", "r.example.com does not answer", 7)
    found = promoted_metadata(done(moved(), refused, failed))
    said = f"us of {KIT} failed: r.example.com does not answer"
    assert promoted_wrong(found) == f"2 of 3 channels went wrong\n{said}\neu of {KIT} refused: license (none)"
    assert promoted_wrong(found, refused_too=False) == f"1 of 3 channels went wrong\n{said}"
    assert promoted_wrong(promoted_metadata(done(moved(), refused)), refused_too=False) == ""


def test_people_read_first_what_went_wrong_then_what_moved_and_the_rest_is_counted() -> None:
    stayed = ChannelOutcome(KIT, "dev", "unchanged", DIGEST)
    refused = ChannelOutcome(KIT, "eu", "refused", DIGEST, "license (*GPL*)", 9)
    failed = ChannelOutcome(KIT, "us", "failed", "", "it does not answer", 6)
    text = promoted_text(done(stayed, moved(), refused, failed, ChannelOutcome(KIT, "new", "empty")))
    *rows, last = [line for line in text.splitlines() if line]
    assert rows[2:] == [
        f"| failed | `{KIT}` | us | it does not answer |",
        f"| refused | `{KIT}` | eu | license (\\*GPL\\*) |",
        f"| promoted | `{KIT}` | prod | `{DIGEST}` |",
    ]
    assert last == "1 unchanged, 1 empty"
    assert promoted_text(done(stayed)) == "1 unchanged"
    assert outcome_text(failed) == f"us of {KIT} failed: it does not answer"


def test_a_thousand_that_failed_are_fifty_lines() -> None:
    failed = ChannelOutcome(KIT, "us", "failed", "", "it does not answer", 6)
    lines = promoted_wrong(promoted_metadata(done(*[failed] * 1000))).splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("1000 of 1000 channels went wrong", 52, "and 950 more")
