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
    event = sent("pushed", KIT.model_copy(update={"changed": False}))
    assert not fires(modelkit_pushed_trigger(NAME), event)
    assert fires(modelkit_pushed_trigger(NAME, unchanged=True), event)


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
