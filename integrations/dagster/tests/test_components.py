"""A project that is written in YAML: components are found, scaffolded, and build what the Python API builds."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from hub_server import hub_server
from readme import snippet
from runs import QUIET, data_version, metadata

import kitops_core as kitops
from dagster_kitops import KitOpsResource, ModelKit, ModelKitIOManager
from kitops_core.errors import InvalidInputError
from kitops_core.signing.keys import generate_key_pair

OWN = "integrations/dagster/README.md"
DG = str(Path(sys.executable).with_name("dg"))
COMPONENTS = ["KitOpsComponent", "ModelKitComponent", "ModelKitPromotionComponent"]


class YamlProject:
    """A directory that ``dg`` takes for a project, with a defs folder to write YAML into."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = f"project_{uuid.uuid4().hex[:8]}"
        self.folder = root / self.package / "defs"
        self.folder.mkdir(parents=True)
        (root / self.package / "__init__.py").touch()
        (self.folder / "__init__.py").touch()
        (root / self.package / "definitions.py").write_text(
            "from pathlib import Path\nimport dagster as dg\n\n\n@dg.definitions\n"
            "def defs():\n    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)\n"
        )
        (root / "pyproject.toml").write_text(
            f'[project]\nname = "project"\nversion = "0.1.0"\nrequires-python = ">=3.10"\n\n'
            f'[tool.dg]\ndirectory_type = "project"\n\n[tool.dg.project]\nroot_module = "{self.package}"\n'
        )

    def dg(self, *arguments: str, succeeds: bool = True) -> str:
        """Run ``dg`` as a user would; what it says."""
        done = subprocess.run([DG, *arguments], cwd=self.root, capture_output=True, text=True, timeout=600)
        assert (done.returncode == 0) is succeeds, done.stdout + done.stderr
        return done.stdout if succeeds else done.stdout + done.stderr

    def write(self, name: str, component: str, attributes: dict[str, Any]) -> Path:
        """A component's defs.yaml; returns its directory."""
        directory = self.folder / name
        directory.mkdir(exist_ok=True)
        data = {"type": f"dagster_kitops.{component}", "attributes": attributes}
        (directory / "defs.yaml").write_text(yaml.safe_dump(data))
        return directory

    def load(self) -> dg.Definitions:
        """The definitions of the project."""
        return dg.load_from_defs_folder(path_within_project=self.root / self.package)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[YamlProject]:
    made = YamlProject(tmp_path / "project")
    monkeypatch.syspath_prepend(str(made.root))
    yield made
    for name in [name for name in sys.modules if name.startswith(made.package)]:
        del sys.modules[name]


def run(defs: dg.Definitions, instance: dg.DagsterInstance, *keys: str) -> dg.ExecuteInProcessResult:
    return defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, asset_selection=[dg.AssetKey(key.split("/")) for key in keys], run_config=QUIET
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_components_are_listed_and_scaffolded_and_what_is_scaffolded_loads(project: YamlProject) -> None:
    listed = project.dg("list", "components", "--json")
    for name in COMPONENTS:
        assert f"dagster_kitops.{name}" in listed
    for command in snippet("scaffold", OWN).splitlines():
        project.dg(*command.removeprefix("$ dg ").split())
    for directory, name in {"registry": "resources", "churn": "kit", "channels": "channels"}.items():
        written = yaml.safe_load((project.folder / directory / "defs.yaml").read_text())
        assert written == yaml.safe_load(snippet(f"yaml_{name}", OWN))
    project.dg("check", "defs")
    defs = project.load()
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {"churn", "churn/staging", "churn/prod"}

    misspelt = {"asset": {"key": "churn", "metadata": {"kitops/repositry": "risk/churn"}}, "path": "bundle"}
    project.write("churn", "ModelKitComponent", misspelt)
    said = project.dg("check", "defs", succeeds=False)
    assert "asset 'churn': metadata 'kitops/repositry' means nothing here" in said


def test_a_directory_is_packed(project: YamlProject, instance: dg.DagsterInstance) -> None:
    project.write("resources", "KitOpsComponent", {})
    attributes = {
        "asset": {"key": "ml/churn", "owners": ["team:ml"], "kinds": ["onnx"]},
        "path": "bundle",
        "tags": ["1.10"],
    }
    directory = project.write("churn", "ModelKitComponent", attributes)
    (directory / "bundle").mkdir()
    (directory / "bundle/model.onnx").write_bytes(b"weights")
    defs = project.load()
    spec = defs.resolve_asset_graph().get(dg.AssetKey(["ml", "churn"]))
    assert (spec.kinds, spec.owners) == ({"kitops", "onnx"}, ["team:ml"])
    run(defs, instance, "ml/churn")
    with kitops.open("ml/churn:1.10") as kit:
        assert kit.read("model.onnx") == b"weights"
        assert data_version(instance, "ml", "churn") == kit.digest


def test_files_are_packed_by_section(project: YamlProject, instance: dg.DagsterInstance) -> None:
    project.write("resources", "KitOpsComponent", {"tags": ["nightly"]})
    contents = {
        "model_path": "out/model.onnx",
        "datasets": {"eval": "eval.csv"},
        "parameters": {"depth": 8},
        "metrics": {"accuracy": 0.94},
        "license": "MIT",
        "version": "2.0",
    }
    directory = project.write("churn", "ModelKitComponent", {"asset": {"key": "churn"}, "contents": contents})
    (directory / "out").mkdir()
    (directory / "out/model.onnx").write_bytes(b"weights")
    (directory / "eval.csv").write_bytes(b"1,2\n")
    run(project.load(), instance, "churn")
    with kitops.open("churn:nightly") as kit:
        assert (kit.kitfile.package.license, kit.kitfile.package.version) == ("MIT", "2.0")
        assert [(entry.name, entry.path) for entry in kit.kitfile.datasets] == [("eval", "eval.csv")]
    assert metadata(instance, "churn")["kitops/metric/accuracy"] == 0.94


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({}, "either 'path', 'contents', 'source' or 'reference'"),
        ({"path": "a", "contents": {"model_path": "b"}}, "either 'path', 'contents'"),
        ({"source": "acme/smol", "reference": "r.example.com/a:1"}, "either 'path', 'contents'"),
        ({"path": "a", "ref": "main"}, "'ref' says which state of 'source'"),
        ({"reference": "r.example.com/a:1", "tags": ["1.0"]}, "not of 'reference'"),
    ],
    ids=["nothing", "two", "two others", "a state of nothing", "a tag of another's kit"],
)
def test_a_component_is_one_kit(project: YamlProject, attributes: dict[str, Any], said: str) -> None:
    project.write("churn", "ModelKitComponent", {"asset": {"key": "churn"}, **attributes})
    with pytest.raises(Exception, match=r"defs\.yaml \(ModelKitComponent\)") as caught:  # Dagster says which file
        project.load().resolve_asset_graph()
    causes: list[BaseException] = [caught.value]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    assert isinstance(causes[-1], InvalidInputError)
    assert said in causes[-1].message


@pytest.mark.parametrize(
    ("attributes", "secret"),
    [({"username": "ci", "password_env": "REGISTRY_PASSWORD"}, "password"), ({"token_env": "REGISTRY_TOKEN"}, "token")],
)
def test_a_secret_stays_in_the_environment(
    project: YamlProject, attributes: dict[str, str], secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("resources", "KitOpsComponent", {"registry": "registry.example.com/ml", **attributes})
    resource = (project.load().resources or {})["kitops"]
    assert isinstance(resource, KitOpsResource)
    assert resource.registry == "registry.example.com/ml"
    assert attributes[f"{secret}_env"] not in repr(resource)
    monkeypatch.setenv(attributes[f"{secret}_env"], "s3cret")
    assert getattr(resource.process_config_and_initialize(), secret) == "s3cret"


def test_links_the_signer_and_how_to_talk_to_the_registry_are_given_on(project: YamlProject) -> None:
    said = {
        "signer": "env://KEY",
        "browse_url": "https://registry.example.com/{repository}@{digest}",
        "webserver_url": "https://dagster.example.com",
        "plain_http": True,
    }
    transport = {"ca_file": "/etc/ca.pem", "keep_trying": 20.0}
    given = {"registry": "r.example.com", **said, "transport": transport}
    project.write("resources", "KitOpsComponent", given)
    manager = (project.load().resources or {})["modelkit"]
    assert isinstance(manager, ModelKitIOManager)
    assert {name: getattr(manager.kitops, name) for name in (*said, *transport)} == {**said, **transport}
    project.write("resources", "KitOpsComponent", {**given, "transport": {"ca_fil": "/etc/ca.pem"}})
    with pytest.raises(Exception, match="KitOpsComponent") as caught:
        project.load()
    assert "ca_fil\n" in str(caught.value.__cause__)


def test_what_objects_may_be_made_of_and_where_they_are_unpacked_is_given_on(project: YamlProject) -> None:
    said = {
        "trusted": ["sklearn.tree._tree.Tree"],
        "allow_pickle": True,
        "provenance": False,
        "cache_dir": "/var/cache/kits",
    }
    project.write("resources", "KitOpsComponent", said)
    manager = (project.load().resources or {})["modelkit"]
    assert {name: getattr(manager, name) for name in said} == said


def test_a_kit_that_something_else_packs_is_an_input_and_its_tag_is_watched(
    project: YamlProject, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    (tmp_path / "w.bin").write_bytes(b"theirs")
    kitops.pack(kitops.Contents(model=tmp_path / "w.bin"), "vendor/llm:prod")
    project.write("resources", "KitOpsComponent", {})
    asset = {"key": "base", "group_name": "bought", "owners": ["team:ml"], "tags": {"tier": "1"}, "kinds": ["llm"]}
    project.write("base", "ModelKitComponent", {"asset": asset, "reference": "vendor/llm:prod"})

    @dg.asset
    def use(base: ModelKit) -> bytes:
        return base.read("w.bin")

    defs = dg.Definitions.merge(project.load(), dg.Definitions([use], resources={"io_manager": dg.mem_io_manager}))
    assert run(defs, instance, "use").output_for_node("use") == b"theirs"
    spec = defs.resolve_asset_graph().get(dg.AssetKey("base"))
    assert (spec.group_name, spec.owners, spec.tags["tier"]) == ("bought", ["team:ml"], "1")
    assert spec.kinds == {"kitops", "llm"}
    context = dg.build_sensor_context(instance=instance, resources={"kitops": KitOpsResource()})
    result = defs.resolve_sensor_def("watch_base").evaluate_tick(context)
    assert [event.asset_key.to_user_string() for event in result.asset_events] == ["base"]


def test_a_model_of_the_hub_is_imported(
    project: YamlProject, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub", reason="the Hub's client is not installed")
    project.write("resources", "KitOpsComponent", {})
    asset = {"key": "ml/smol", "group_name": "bought", "owners": ["team:ml"], "tags": {"tier": "1"}, "kinds": ["llm"]}
    project.write("smol", "ModelKitComponent", {"asset": asset, "source": "acme/smol", "tags": ["1.10"]})
    defs = project.load()
    spec = defs.resolve_asset_graph().get(dg.AssetKey(["ml", "smol"]))
    assert (spec.group_name, spec.owners, spec.tags["tier"]) == ("bought", ["team:ml"], "1")
    assert spec.kinds == {"kitops", "llm"}
    with hub_server() as hub:
        hub.use(monkeypatch)
        hub.repo("acme/smol").commit({"model.safetensors": b"weights", "config.json": b"{}"})
        run(defs, instance, "ml/smol")
    with kitops.open("ml/smol:1.10") as kit:
        assert kit.digest == data_version(instance, "ml", "smol")


def test_channels_are_assets_with_a_schedule_and_a_way_back(
    project: YamlProject, instance: dg.DagsterInstance, registry: str
) -> None:
    namespace = f"{registry}/{uuid.uuid4().hex[:8]}"
    project.write("resources", "KitOpsComponent", {"registry": namespace})
    churn = project.write("churn", "ModelKitComponent", {"asset": {"key": "churn"}, "path": "bundle"})
    (churn / "bundle").mkdir()
    (churn / "bundle/model.onnx").write_bytes(b"weights")
    attributes = {"kit": "churn", "cron": "0 6 * * 1-5"}
    channels = project.write("channels", "ModelKitPromotionComponent", attributes)
    (channels / "promotion.yaml").write_text(
        f"kit: {namespace}/churn\nchannels:\n  staging: {{}}\n  prod: {{from: staging}}\n"
    )
    defs = project.load()
    run(defs, instance, "churn", "churn/staging", "churn/prod")
    resource = KitOpsResource(registry=namespace)
    assert resource.resolve(f"{namespace}/churn:prod") == data_version(instance, "churn")
    repository = defs.get_repository_def()
    assert {"rollback_churn__staging", "rollback_churn__prod", "promote_churn"} < set(repository.job_names)
    assert [schedule.cron_schedule for schedule in repository.schedule_defs] == ["0 6 * * 1-5"]


def test_what_is_to_wait_for_checks_needs_one(project: YamlProject) -> None:
    attributes: dict[str, Any] = {"kit": "churn", "automation": "verified"}
    channels = project.write("channels", "ModelKitPromotionComponent", attributes)
    (channels / "promotion.yaml").write_text("kit: registry.example.com/ml/churn\nchannels:\n  staging: {}\n")
    with pytest.raises(Exception, match="ModelKitPromotionComponent") as caught:
        project.load()
    assert "there is no check" in str(caught.value.__cause__)


def test_with_a_check_channels_promote_what_was_verified(project: YamlProject) -> None:
    project.write("resources", "KitOpsComponent", {"registry": "registry.example.com/ml"})
    attributes = {"kit": "churn", "automation": "verified", "signed_by": ["release.pub"]}
    channels = project.write("channels", "ModelKitPromotionComponent", attributes)
    (channels / "release.pub").write_bytes(generate_key_pair(b"")[1])
    (channels / "promotion.yaml").write_text("kit: registry.example.com/ml/churn\nchannels:\n  staging: {}\n")
    node = project.load().resolve_asset_graph().get(dg.AssetKey(["churn", "staging"]))
    assert node.automation_condition is not None
