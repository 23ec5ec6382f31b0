"""A step that Dagster retries need not train again when all that failed was the push."""

from __future__ import annotations

import uuid
from pathlib import Path

import dagster as dg
import pytest
from clients import find_kit
from fault_proxy import answer, fault_proxy
from runs import data_version, metadata, run

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKitContents, kept_kit
from kitops_core.errors import DeniedError, InvalidInputError
from kitops_core.evidence.predicate_types import COSIGN_SIGN, SLSA_PROVENANCE, TEST_RESULT
from kitops_core.evidence.statements import read_evidence
from kitops_core.orchestrate.names import tag_of
from kitops_core.signing.keys import PublicKey, generate_key_pair

BROKEN = 100


def test_the_next_attempt_gets_what_was_packed_and_pushes_it(instance: dg.DagsterInstance, registry: str) -> None:
    trainings = []

    @dg.asset(io_manager_key="modelkit", retry_policy=dg.RetryPolicy(max_retries=2))
    def churn(context):
        if (kit := kept_kit(context)) is not None:
            return kit
        trainings.append(1)
        return ModelKitContents(model=b"trained for days")

    with fault_proxy(registry) as proxy:
        proxy.fault("PUT", "/manifests/", answer(403), times=1)
        resource = KitOpsResource(registry=f"{proxy.address}/{uuid.uuid4().hex[:8]}")
        result = run([churn], instance, kitops=resource)
        assert result.success
        assert len(trainings) == 1
        digest = data_version(instance, "churn")
        with kitops.open(resource.reference("churn", tag="latest"), where="registry") as kit:
            assert kit.digest == digest
            assert kit.read("model.bin") == b"trained for days"
    assert kitops.list_kits() == []


def test_the_log_says_how_to_push_by_hand(instance: dg.DagsterInstance, registry: str) -> None:
    @dg.asset(io_manager_key="modelkit")
    def churn():
        return ModelKitContents(model=b"trained for days")

    with fault_proxy(registry) as proxy:
        proxy.fault("PUT", "/manifests/", answer(403), times=BROKEN)
        with pytest.raises(DeniedError):
            run([churn], instance, kitops=KitOpsResource(registry=f"{proxy.address}/ml"))
        (failed,) = instance.get_runs()
        (kept,) = kitops.list_kits()
        messages = "\n".join(entry.user_message for entry in instance.all_logs(failed.run_id))
        assert f"kitops push {kept.repository}:latest {proxy.address}/ml/churn:latest" in messages


def test_another_run_does_not_get_it(instance: dg.DagsterInstance, registry: str) -> None:
    seen = []

    @dg.asset(io_manager_key="modelkit")
    def churn(context):
        seen.append(kept_kit(context))
        return ModelKitContents(model=b"trained for days")

    with fault_proxy(registry) as proxy:
        proxy.fault("PUT", "/manifests/", answer(403), times=BROKEN)
        for _ in range(2):
            with pytest.raises(DeniedError):
                run([churn], instance, kitops=KitOpsResource(registry=f"{proxy.address}/ml"))
    assert seen == [None, None]


def test_what_is_kept_has_its_provenance_and_signature(
    instance: dg.DagsterInstance, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = generate_key_pair(b"s3cret")
    (tmp_path / "release.key").write_bytes(private)
    (tmp_path / "release.pub").write_bytes(public)
    monkeypatch.setenv("COSIGN_PASSWORD", "s3cret")

    @dg.asset(io_manager_key="modelkit", retry_policy=dg.RetryPolicy(max_retries=1))
    def churn(context):
        return kept_kit(context) or ModelKitContents(model=b"weights", metrics={"accuracy": 0.94})

    with fault_proxy(registry) as proxy:
        proxy.fault("PUT", "/manifests/", answer(403), times=1)
        resource = KitOpsResource(registry=f"{proxy.address}/{uuid.uuid4().hex[:8]}")
        run([churn], instance, kitops=resource, signer=str(tmp_path / "release.key"))
        found = find_kit(resource.reference("churn", tag="latest"), "registry")
        attached = {each.predicate_type: each for each in read_evidence(found.storage, found.manifest.digest)}
        found.storage.close()
    assert set(attached) == {COSIGN_SIGN, SLSA_PROVENANCE, TEST_RESULT}
    assert all(each.verified_by([PublicKey.load(public)]) for each in attached.values())
    assert metadata(instance, "churn")["kitops/metric/accuracy"] == 0.94


def test_a_run_of_several_partitions_gets_each_of_its_kits(instance: dg.DagsterInstance, registry: str) -> None:
    trainings = []
    regions = dg.StaticPartitionsDefinition(["eu", "us", "日本"])

    @dg.asset(
        io_manager_key="modelkit",
        partitions_def=regions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=dg.RetryPolicy(max_retries=2),
    )
    def regional(context):
        if (kits := kept_kit(context)) is not None:
            return kits
        trainings.append(1)
        return {region: ModelKitContents(model=region.encode()) for region in context.partition_keys}

    with fault_proxy(registry) as proxy:
        proxy.fault("PUT", "/manifests/us", answer(403), times=2)
        resource = KitOpsResource(registry=f"{proxy.address}/{uuid.uuid4().hex[:8]}")
        ends = {"dagster/asset_partition_range_start": "eu", "dagster/asset_partition_range_end": "日本"}
        assert run([regional], instance, kitops=resource, run_tags=ends).success
        for region in regions.get_partition_keys():
            reference = resource.reference("regional", tag=tag_of(region))
            with kitops.open(reference, where="registry") as kit:
                assert kit.read("model.bin") == region.encode()
    assert len(trainings) == 1
    assert kitops.list_kits() == []


def test_a_step_that_makes_several_assets_says_which(instance: dg.DagsterInstance, registry: str) -> None:
    seen = []

    @dg.multi_asset(
        outs={name: dg.AssetOut(io_manager_key="modelkit") for name in ("model", "report")},
        retry_policy=dg.RetryPolicy(max_retries=1),
    )
    def both(context):
        with pytest.raises(InvalidInputError, match="this step makes model, report"):
            kept_kit(context)
        seen.append(kept_kit(context, key="report"))
        return ModelKitContents(model=b"weights"), seen[-1] or ModelKitContents(docs={"REPORT.md": b"# Report\n"})

    with fault_proxy(registry) as proxy:
        proxy.fault("PUT", "/report/manifests/", answer(403), times=1)
        resource = KitOpsResource(registry=f"{proxy.address}/{uuid.uuid4().hex[:8]}")
        assert run([both], instance, kitops=resource).success
    assert seen[0] is None
    assert seen[1] is not None
    assert kitops.list_kits() == []


def test_what_was_kept_goes_when_a_later_attempt_trains_again_and_pushes(
    instance: dg.DagsterInstance, registry: str
) -> None:
    @dg.asset(io_manager_key="modelkit", retry_policy=dg.RetryPolicy(max_retries=1))
    def churn():
        return ModelKitContents(model=b"trained again")

    with fault_proxy(registry) as proxy:
        proxy.fault("PUT", "/manifests/", answer(403), times=1)
        assert run([churn], instance, kitops=KitOpsResource(registry=f"{proxy.address}/ml")).success
    assert kitops.list_kits() == []


def test_where_it_cannot_be_kept_the_run_still_says_why_it_was_not_pushed(
    instance: dg.DagsterInstance, registry: str, tmp_path: Path
) -> None:
    @dg.asset(io_manager_key="modelkit")
    def churn():
        return ModelKitContents(model=b"trained for days")

    (tmp_path / "full").touch()  # stands in for a disk that takes no more
    with fault_proxy(registry) as proxy:
        proxy.fault("PUT", "/manifests/", answer(403), times=BROKEN)
        resource = KitOpsResource(registry=f"{proxy.address}/ml", store=str(tmp_path / "full" / "kits"))
        with pytest.raises(DeniedError):
            run([churn], instance, kitops=resource)
    (failed,) = instance.get_runs()
    messages = "\n".join(entry.user_message for entry in instance.all_logs(failed.run_id))
    assert "could not be kept in the local store either" in messages


def test_a_kit_that_is_pushed_and_not_read_back_fails_no_step(instance: dg.DagsterInstance, registry: str) -> None:
    @dg.asset(io_manager_key="modelkit")
    def churn():
        return ModelKitContents(model=b"trained for days")

    with fault_proxy(registry) as proxy:
        proxy.fault("GET", "/blobs/", answer(403), times=BROKEN)
        resource = KitOpsResource(registry=f"{proxy.address}/{uuid.uuid4().hex[:8]}")
        assert run([churn], instance, kitops=resource, provenance=False).success
        assert resource.resolve(resource.reference("churn", tag="latest")) == data_version(instance, "churn")
    assert "kitops/kitfile" not in metadata(instance, "churn")
    assert metadata(instance, "churn")["kitops/digest"] == data_version(instance, "churn")
