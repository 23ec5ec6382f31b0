"""What the READMEs show for Dagster is what happens."""

from __future__ import annotations

import subprocess
import sys
import types
import uuid
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
import yaml
from hub_server import hub_server
from readme import snippet
from runs import QUIET
from sklearn.linear_model import LogisticRegression

import kitops_core
from dagster_kitops import KitOpsResource, ModelKit, ModelKitContents, ModelKitIOManager, check_definitions
from dagster_kitops.serializers import registry as serializers

OWN = "integrations/dagster/README.md"


class Page:
    """The snippets of the README, run one after the other with what a reader has around them."""

    def __init__(self, registry: str, instance: dg.DagsterInstance) -> None:
        self.host = f"{registry}/{uuid.uuid4().hex[:8]}"
        self.instance = instance
        self.resource = KitOpsResource(registry=f"{self.host}/ml")
        self.names: dict[str, Any] = {
            "__name__": "definitions",
            **{"dg": dg, "Path": Path, "pd": pd, "kitops": self.resource},
            **{"KitOpsResource": KitOpsResource, "ModelKit": ModelKit, "ModelKitContents": ModelKitContents},
            **{"ModelKitIOManager": ModelKitIOManager, "check_definitions": check_definitions},
        }

    def text(self, name: str) -> str:
        return snippet(name, OWN).replace("registry.example.com", self.host)

    def run(self, name: str) -> dict[str, Any]:
        """Run a snippet; returns all names there are then."""
        exec(compile(self.text(name), "README.md", "exec"), self.names)
        return self.names

    def materialize(self, *assets: Any, **options: Any) -> dg.ExecuteInProcessResult:
        resources = {"kitops": self.resource, "modelkit": ModelKitIOManager(kitops=self.resource)}
        more = {"io_manager": dg.mem_io_manager}
        return dg.materialize(
            assets, instance=self.instance, resources={**resources, **more}, run_config=QUIET, **options
        )

    def materialize_all(self) -> dg.ExecuteInProcessResult:
        """Materialize what the page's ``defs`` have."""
        job = self.names["defs"].resolve_implicit_global_asset_job_def()
        return job.execute_in_process(instance=self.instance, run_config=QUIET)

    def digest(self, repository: str, tag: str) -> str:
        return self.resource.resolve(self.resource.reference(repository, tag=tag))


@pytest.fixture
def page(registry: str, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.chdir(tmp_path)
    return Page(registry, instance)


def test_a_model_of_the_hub_is_imported(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub_server() as hub:
        hub.use(monkeypatch)
        hub.repo("acme/smol").commit({"model.safetensors": b"weights", "config.json": b"{}"})
        assert page.materialize(page.run("import")["smol"]).success
    assert page.digest("smol", "latest")


def test_the_projects_example_packs_a_kit(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "definitions"}
    exec(compile(snippet("dagster"), "README.md", "exec"), names)
    job = names["defs"].resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance, run_config=QUIET).success
    with kitops_core.open("churn:latest") as kit:
        assert kit.kitfile.model.parameters["max_depth"] == 8


def test_the_first_example_packs_a_model_that_is_used_elsewhere_and_promoted(page: Page, tmp_path: Path) -> None:
    page.run("wine")
    card = page.materialize_all().asset_value("card")
    assert card.startswith("# wine\n")
    assert "| accuracy | 0." in card

    command = page.text("elsewhere").strip().removeprefix("$ kitops ").split()
    kitops = str(Path(sys.executable).with_name("kitops"))
    subprocess.run([kitops, *command], check=True, capture_output=True)
    assert [path.name for path in (tmp_path / "wine").iterdir()] == ["model.skops"]

    (tmp_path / "promotion.yaml").write_text(page.text("policy"))
    page.run("promotion")
    repository = page.names["defs"].get_repository_def()
    assert {"promote", "rollback_prod"} < set(repository.job_names)
    page.materialize_all()
    assert page.digest("wine", "prod") == page.digest("wine", "latest")
    for schedule in repository.schedule_defs:
        assert dg.validate_run_config(page.names["defs"].resolve_job_def(schedule.job_name)) is not None

    wine = f"{page.names['kitops'].registry}/wine"
    (tmp_path / "kits.yaml").write_text(f"kits: [{wine}]\nchannels: {{latest: {{}}, live: {{from: latest}}}}\n")
    page.run("promote_all")
    (schedule,) = page.names["defs"].get_repository_def().schedule_defs
    job = page.names["defs"].resolve_job_def(schedule.job_name)
    assert job.execute_in_process(instance=page.instance, run_config=QUIET).success
    assert page.digest("wine", "live") == page.digest("wine", "latest")


def test_a_serializer_of_ones_own(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    class CatBoost:  # stands in for CatBoost's, which the snippet names and the tests have not
        def __init__(self, text: str = "") -> None:
            self.text = text

        def save_model(self, fname: str) -> None:
            Path(fname).write_text(self.text)

        def load_model(self, fname: str) -> CatBoost:
            return CatBoost(Path(fname).read_text())

    monkeypatch.setattr(serializers, "_SERIALIZERS", dict(serializers._SERIALIZERS))
    fake = types.ModuleType("catboost")
    fake.CatBoost = CatBoost  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "catboost", fake)
    page.run("serializer")

    @dg.asset(io_manager_key="modelkit")
    def boosted():
        return CatBoost("tree")

    @dg.asset
    def used(boosted: ModelKit) -> str:
        return boosted.load().text

    assert page.materialize(boosted, used).output_for_node("used") == "tree"


def test_options_and_parts(page: Page) -> None:
    sample = pd.DataFrame({"age": [1.0, 2.0, 3.0, 4.0]})
    model = LogisticRegression().fit(sample, [0, 0, 1, 1])
    page.names["fit"] = lambda: (ModelKitContents(model=model, datasets={"sample": sample}), 0.9)
    churn, sample_size = page.run("overrides")["churn"], page.run("parts")["sample_size"]
    assert page.materialize(churn, sample_size).output_for_node("sample_size") == 4
    assert page.digest("risk/churn", "1.4") == page.digest("risk/churn", "dev")


def test_a_condition_that_looks_at_kits(page: Page) -> None:
    (spec,) = page.run("automation")["scores"].specs
    assert spec.automation_condition.get_label() == "kits_changed"


def test_partitions(page: Page) -> None:
    page.names["fit_for"] = lambda region: region.encode()
    page.run("partitions")
    ends = {"dagster/asset_partition_range_start": "eu", "dagster/asset_partition_range_end": "日本"}
    page.materialize(page.names["regional"], tags=ends)
    result = page.materialize(page.names["regional"], page.names["leaderboard"], selection=["leaderboard"])
    assert len(set(result.output_for_node("leaderboard").values())) == 3


def test_variants_under_one_reference(page: Page) -> None:
    page.names["quantize"] = lambda how: how.encode()
    page.run("index")
    for one in page.names["needs"]:
        page.materialize(page.names["llm"], partition_key=one)
    page.materialize(page.names["llm"], page.names["llm_all"], selection=[page.names["llm_all"]])
    with kitops_core.open(page.resource.reference("llm", tag="all") + "?vram<=8GB", where="registry") as kit:
        assert kit.read(kit.kitfile.model.path) == b"q4_0"


def test_variants_that_mapped_ops_packed(page: Page) -> None:
    page.names["quantize"] = lambda how: how.encode()
    page.run("dynamic")
    page.materialize(page.names["llm"])
    reference = page.resource.reference("llm", tag="latest")
    with kitops_core.open(reference + "?vram<=8GB", where="registry") as kit:
        assert kit.read(kit.kitfile.model.path) == b"q4_0"
    assert page.digest("llm", "q8_0")


def test_kits_that_something_else_packs(page: Page, tmp_path: Path) -> None:
    (tmp_path / "llm.bin").write_bytes(b"llm")
    kitops_core.pack(kitops_core.Contents(model=tmp_path / "llm.bin"), f"{page.host}/vendor/llm:prod", push=True)
    page.names["finetune"] = lambda directory: (directory / "llm.bin").read_bytes() + b", tuned"
    page.run("external")
    page.materialize_all()
    with page.resource.open(page.resource.reference("tuned", tag="latest")) as kit:
        assert kit.read("model.bin") == b"llm, tuned"


def test_the_yaml(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = f"project_{uuid.uuid4().hex[:8]}"
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / package / "defs"
    for name in ("resources", "kit", "files", "imported", "external", "channels"):
        (folder / name).mkdir(parents=True)
        text = page.text(f"yaml_{name}")
        if name == "resources":  # the registry of the tests takes anonymous pushes
            data = yaml.safe_load(text)
            data["attributes"] = {"registry": data["attributes"]["registry"]}
            text = yaml.safe_dump(data)
        (folder / name / "defs.yaml").write_text(text)
    for place in (tmp_path / package, folder):
        (place / "__init__.py").touch()
    for name in ("kit/bundle", "files/out"):
        (folder / name).mkdir()
        (folder / name / "model.onnx").write_bytes(b"weights")
    (folder / "files/eval.csv").write_bytes(b"1,2\n")
    policy = yaml.safe_load(page.text("policy").replace("/wine", "/churn"))
    del policy["channels"]["prod"]["gates"]  # of a directory nothing is measured
    (folder / "channels/promotion.yaml").write_text(yaml.safe_dump(policy))
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.dg]\ndirectory_type = "project"\n\n[tool.dg.project]\nroot_module = "{package}"\n'
    )
    page.names["defs"] = dg.load_from_defs_folder(path_within_project=tmp_path / package)
    with hub_server() as hub:
        hub.use(monkeypatch)
        hub.repo("acme/smol").commit({"model.safetensors": b"weights", "config.json": b"{}"})
        page.materialize_all()
    assert page.digest("churn", "prod") == page.digest("churn", "latest")
    assert page.digest("churn_by_section", "latest")
    assert page.digest("smol", "latest")
    assert [sensor.name for sensor in page.names["defs"].sensors] == ["watch_base_llm"]


def test_what_was_kept_and_what_was_split(page: Page) -> None:
    page.names["train_for_days"] = lambda: b"weights"
    page.materialize(page.run("kept")["churn"])
    kept = page.digest("churn", "latest")
    page.run("split")
    page.materialize_all()
    assert page.digest("churn", "latest") != kept  # its card names another asset
    assert [record.repository for record in kitops_core.list_kits()] == ["trained"]


def test_a_process_of_its_own(page: Page, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/model.onnx").write_bytes(b"weights")
    (tmp_path / "train.py").write_text(page.text("pipes"))

    @dg.asset
    def churn(context):
        client = dg.PipesSubprocessClient(cwd=str(tmp_path))
        return client.run(command=[sys.executable, "train.py"], context=context).get_materialize_result()

    page.materialize(churn)
    event = page.instance.get_latest_materialization_event(dg.AssetKey("churn"))
    assert event is not None
    assert event.asset_materialization is not None
    digest = event.asset_materialization.metadata["kitops/digest"].value
    assert digest == page.digest("churn", "latest")


def test_packing_shared_by_steps_gives_the_digest_of_one_pack(page: Page, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    (whole / "weights").mkdir(parents=True)
    for number in range(3):
        (whole / f"weights/shard-{number}.bin").write_bytes(bytes([number]) * 5000)
    text = "manifestVersion: 1.0.0\npackage: {name: large}\nmodel:\n  path: weights/shard-0.bin\n  parts:\n"
    text += "".join(f"    - path: weights/shard-{number}.bin\n" for number in (1, 2))
    for directory in (whole, tmp_path):
        (directory / "Kitfile").write_text(text)

    def convert(shard: str) -> Path:
        directory = tmp_path / shard.replace("/", "-")
        (directory / shard).parent.mkdir(parents=True)
        (directory / shard).write_bytes((whole / shard).read_bytes())
        return directory

    page.names["convert"] = convert
    page.materialize(page.run("fan_out")["large_model"])
    one = kitops_core.pack(whole, page.resource.reference("whole", tag="1"), push=True)
    assert page.digest("large_model", "latest") == one.digest


def test_the_resource_with_credentials_is_made() -> None:
    names: dict[str, Any] = {}
    text = snippet("credentials", OWN)
    exec("import dagster as dg\nfrom dagster_kitops import KitOpsResource\nresource = " + text, names)
    assert names["resource"].username == "ci"
