"""Keys of dynamic partitions may hold any text: each is a tag of its own, or is refused."""

from __future__ import annotations

import dagster as dg
import pytest
from runs import run

import kitops_core as kitops
from dagster_kitops import ModelKit, ModelKitContents
from kitops_core.errors import InvalidInputError

NAMES = dg.DynamicPartitionsDefinition(name="names")
BOTH = dg.MultiPartitionsDefinition({"name": NAMES, "region": dg.StaticPartitionsDefinition(["eu"])})


def churn_of(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.asset(io_manager_key="modelkit", partitions_def=partitions)
    def churn(context):
        return ModelKitContents(docs={"README.md": context.partition_key.encode()})

    return churn


@dg.asset
def report(churn: dict[str, ModelKit]) -> dict[str, str]:
    return {key: kit.read_text("README.md") for key, kit in churn.items()}


def test_keys_of_any_text_are_tags_of_their_own(instance: dg.DagsterInstance) -> None:
    keys = ["a", "A", "a|b", "a_b", "a,b", "a...b", "[a]", " ", "a\nb", "é" * 300, "latest"]
    instance.add_dynamic_partitions("names", keys)
    churn = churn_of(NAMES)
    for key in keys:
        assert run([churn], instance, partition=key).success
    assert len({record.tag for record in kitops.list_kits("churn")}) == len(keys)
    assert run([churn, report], instance, selection=[report]).output_for_node("report") == {key: key for key in keys}


@pytest.mark.parametrize("key", ["never-added", "never|added", ""])
def test_a_key_that_was_never_added_packs_nothing(key: str, instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("names", ["a"])
    with pytest.raises((dg.DagsterUnknownPartitionError, dg.DagsterInvariantViolationError)):
        run([churn_of(NAMES)], instance, partition=key)
    assert not list(kitops.list_kits("churn"))


def test_all_partitions_are_refused_while_dagster_leaves_some_out(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("names", ["a", "b|c"])
    churn = churn_of(BOTH)
    key = dg.MultiPartitionKey({"name": "a", "region": "eu"})
    assert run([churn], instance, partition=key).success
    with pytest.raises(InvalidInputError, match=r"leaves out those of 'b\|c': in dimension 'name'") as caught:
        run([churn, report], instance, selection=[report])
    assert "kitops/allow_missing" in caught.value.hint

    @dg.asset(name="report", ins={"churn": dg.AssetIn(metadata={"kitops/allow_missing": True})})
    def lenient(churn: dict[str, ModelKit]) -> list[str]:
        return list(churn)

    assert run([churn, lenient], instance, selection=[lenient]).output_for_node("report") == ["a|eu"]
    instance.delete_dynamic_partition("names", "b|c")
    assert run([churn, report], instance, selection=[report]).output_for_node("report") == {"a|eu": "a|eu"}
