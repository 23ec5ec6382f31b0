"""Triggers match the events they are for, as Prefect's own server decides it, and nothing else."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from typing import Any

import pytest
from prefect.events import DeploymentEventTrigger
from prefect.server.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import ReceivedEvent

from prefect_kitops import ModelKitRef, ModelKitRepository, modelkit_promoted_trigger, modelkit_pushed_trigger
from prefect_kitops.events import kit_event

NAME = "registry.example.com/ml/churn"
KIT = ModelKitRef(
    reference=f"{NAME}:1.0@sha256:{'a' * 64}",
    digest=f"sha256:{'a' * 64}",
    repository=NAME,
    tag="1.0",
    tags=("1.0", "dev"),
    changed=True,
    moved=("1.0", "dev"),
)


def sent(what: Any, kit: ModelKitRef = KIT, **options: Any) -> ReceivedEvent:
    """The event as a server receives it."""
    event = kit_event(what, kit, {}, **options)
    return ReceivedEvent(id=uuid.uuid4(), occurred=datetime.now(timezone.utc), **event)


def fires(trigger: DeploymentEventTrigger, event: ReceivedEvent) -> bool:
    fields = {"expect", "match", "match_related", "posture", "threshold", "within"}
    return EventTrigger.model_validate(trigger.model_dump(mode="json", include=fields)).covers(event)


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        (modelkit_pushed_trigger(NAME), True),
        (modelkit_pushed_trigger(NAME, "dev"), True),
        (modelkit_pushed_trigger(NAME, "1.*"), True),
        (modelkit_pushed_trigger(NAME, "prod"), False),
        (modelkit_pushed_trigger("registry.example.com/ml/*", "dev"), True),
        (modelkit_pushed_trigger("registry.example.com/other/*"), False),
        (modelkit_pushed_trigger(f"{NAME}-two"), False),
        (modelkit_pushed_trigger(ModelKitRepository(registry="registry.example.com", repository="ml/churn")), True),
        (modelkit_promoted_trigger(NAME), False),
    ],
)
def test_a_push_fires_the_triggers_that_are_for_it(trigger: DeploymentEventTrigger, expected: bool) -> None:
    assert fires(trigger, sent("pushed")) is expected


def test_a_push_that_changed_nothing_fires_only_where_asked_for() -> None:
    event = sent("pushed", KIT.model_copy(update={"changed": False, "moved": ()}))
    assert not fires(modelkit_pushed_trigger(NAME), event)
    assert fires(modelkit_pushed_trigger(NAME, unchanged=True), event)


def test_a_push_fires_for_the_tags_that_it_moved_and_for_no_others() -> None:
    event = sent("pushed", KIT.model_copy(update={"moved": ("1.0",)}))  # dev had this kit already
    assert fires(modelkit_pushed_trigger(NAME), event)
    assert fires(modelkit_pushed_trigger(NAME, "1.*"), event)
    assert not fires(modelkit_pushed_trigger(NAME, "dev"), event)
    assert fires(modelkit_pushed_trigger(NAME, "dev", unchanged=True), event)


def test_a_promotion_that_moved_nothing_fires_no_trigger_of_promotions() -> None:
    kit = KIT.model_copy(update={"changed": False, "moved": ()})
    assert not fires(modelkit_promoted_trigger(NAME, "prod"), sent("promotion-unchanged", kit, channel="prod"))
    assert not fires(modelkit_promoted_trigger(NAME, "prod"), sent("promoted", kit, channel="prod"))
    watched = modelkit_promoted_trigger(NAME, "prod", what="promotion-unchanged")
    assert fires(watched, sent("promotion-unchanged", kit, channel="prod"))


def test_more_labels_to_match_can_be_given() -> None:
    kit = KIT.model_copy(update={"previous_digest": f"sha256:{'b' * 64}"})
    for what, make in (("pushed", modelkit_pushed_trigger), ("promoted", modelkit_promoted_trigger)):
        event = sent(what, kit, channel="prod")
        assert fires(make(NAME, match={"kitops.previous-digest": kit.previous_digest}), event)
        assert not fires(make(NAME, match={"kitops.previous-digest": kit.digest}), event)


def test_every_event_counts_unless_told_otherwise_by_name() -> None:
    for make in (modelkit_pushed_trigger, modelkit_promoted_trigger):
        usual, told = make(NAME), make(NAME, within=60, threshold=3)
        assert (usual.within.total_seconds(), usual.threshold) == (0, 1)
        assert (told.within.total_seconds(), told.threshold) == (60, 3)


def test_a_promotion_fires_by_its_channel() -> None:
    event = sent("promoted", channel="prod")
    assert fires(modelkit_promoted_trigger(NAME, "prod"), event)
    assert not fires(modelkit_promoted_trigger(NAME, "staging"), event)
    assert not fires(modelkit_promoted_trigger(NAME, "prod", what="rolled-back"), event)
    assert not fires(modelkit_pushed_trigger(NAME), event)


def test_the_digest_arrives_as_a_parameter() -> None:
    from prefect.server.utilities.user_templates import render_user_template_sync

    event = sent("pushed")
    template = modelkit_pushed_trigger(NAME).parameters["reference"]
    assert render_user_template_sync(template, {"event": event}) == KIT.reference
