"""The distribution is a provider that Airflow finds, and costs nothing to look at."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from importlib import import_module
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path

import airflow
import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_2_PLUS
from annotations import unreadable

import kitops_airflow
from kitops_airflow import __version__
from kitops_airflow.connection_form import CONN_FIELDS
from kitops_airflow.get_provider_info import get_provider_info

SCHEMA = Path(airflow.__file__).parent / "provider_info.schema.json"
# Its page for connections does without: see the test of that.
commands_read_forms = pytest.mark.skipif(
    AIRFLOW_V_3_0_PLUS and not AIRFLOW_V_3_2_PLUS and find_spec("flask_appbuilder") is None,
    reason="the commands of Airflow 3.0 and 3.1 read forms by flask_appbuilder, which only its FAB provider brings",
)


def test_airflow_finds_the_provider() -> None:
    from airflow.providers_manager import ProvidersManager

    provider = ProvidersManager().providers["airflow-provider-kitops"]
    assert provider.version == __version__ == version("airflow-provider-kitops")
    assert provider.data["name"] == "KitOps"


def test_the_description_is_reached_through_its_entry_point_and_follows_airflows_schema() -> None:
    import jsonschema

    (found,) = (
        entry
        for entry in entry_points(group="apache_airflow_provider")
        if entry.dist is not None and entry.dist.name == "airflow-provider-kitops"
    )
    described = found.load()()
    assert described["package-name"] == "airflow-provider-kitops"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jsonschema.validate(described, json.loads(SCHEMA.read_text()))


def test_describing_the_provider_imports_neither_airflow_nor_the_engine() -> None:
    code = (
        "import sys; from kitops_airflow.get_provider_info import get_provider_info; get_provider_info();"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'airflow', 'kitops_core', 'pydantic'}))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


@pytest.mark.parametrize("kind", ["operators", "sensors", "hooks", "triggers"])
def test_every_module_the_description_names_is_there(kind: str) -> None:
    for group in get_provider_info()[kind]:
        for name in group["python-modules"]:
            import_module(name)


def test_airflow_reads_links_notifiers_decorators_and_uris() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert "kitops_airflow.links.ModelKitLink" in manager.extra_links_class_names
    assert "kitops_airflow.notifications.ModelKitNotifier" in {str(name) for name in manager.notification}
    assert {"kitops_pack", "kitops_pull"} <= {name for name, _ in manager.taskflow_decorators.items()}
    uris = getattr(manager, "asset_uri_handlers", None) or manager.dataset_uri_handlers
    assert uris["oci"].__name__ == "normalize_noop"  # and so nobody's oci assets are touched
    hook = manager.hooks["kitops"]
    assert hook is not None
    assert hook.hook_name == "KitOps (OCI registry)"


@commands_read_forms
def test_airflow_reads_the_form() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    widgets = {name for name in manager.connection_form_widgets if name.startswith("extra__kitops__")}
    assert {"extra__kitops__plain_http", "extra__kitops__token"} <= widgets
    assert manager.field_behaviours["kitops"]["relabeling"]["host"] == "Registry"


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="Airflow 2 has another page for connections")
def test_the_page_for_connections_shows_the_form() -> None:
    code = (  # a process of its own: Airflow 3.1 puts mocks in place of the widgets that it does not have
        "from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService as service;"
        "(form,) = [hook for hook in service.hook_meta_data() if hook.connection_type == 'kitops'];"
        "print(form.standard_fields.host.title, *form.extra_fields)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1].split() == ["Registry", *CONN_FIELDS]


def test_a_dag_file_loads_the_engine_only_when_a_task_runs() -> None:
    code = (
        "import sys; from kitops_airflow import KitPackPushOperator, KitPullOperator, modelkit_asset;"
        "KitPackPushOperator(task_id='pack', source='out', reference='registry.example.com/ml/churn:1');"
        "print([name for name in sys.modules if name.startswith(('kitops_core.kits', 'kitops_core.storage'))])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (("get", "airflow-provider-kitops"), "airflow-provider-kitops"),
        (("hooks",), "kitops_airflow.hooks.kitops.KitOpsHook"),
        (("links",), "kitops_airflow.links.ModelKitLink"),
        (("notifications",), "kitops_airflow.notifications.ModelKitNotifier"),
        (("triggers",), "kitops_airflow.triggers.tag"),
        pytest.param(("behaviours",), "kitops", marks=commands_read_forms),
        pytest.param(("widgets",), "extra__kitops__token", marks=commands_read_forms),
    ],
)
def test_airflows_own_commands_show_it(command: tuple[str, ...], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    from airflow.cli.cli_parser import get_parser

    arguments = get_parser().parse_args(["providers", *command, "--output", "json"])
    arguments.func(arguments)
    assert word in capsys.readouterr().out


def test_nothing_of_it_is_below_airflows_own_package() -> None:
    sources = Path(__file__).parents[1] / "src"
    assert [path.name for path in sources.iterdir()] == ["kitops_airflow"]


def test_the_listing_for_the_provider_registry_names_what_is_there() -> None:
    import yaml

    listing = yaml.safe_load((Path(__file__).parents[1] / ".airflow-registry.yaml").read_text())
    listed = [
        entry for kind in ("operators", "sensors", "triggers", "hooks", "notifications") for entry in listing[kind]
    ]
    for entry in listed:
        assert getattr(import_module(entry["module"]), entry["class"]).__doc__
    functions = {"modelkit_asset", "promote_all", "promote_with_approval", "ModelKitEvent"}
    assert {entry["class"] for entry in listed} == set(kitops_airflow.__all__) - functions


def test_the_readme_names_the_fields_of_each_operator_that_are_templates() -> None:
    rows = [line.split("|")[1:4] for line in (Path(__file__).parents[1] / "README.md").read_text().splitlines()]
    told = {name: fields for names, _, fields in (row for row in rows if len(row) == 3) for name in quoted(names)}
    names = (
        "PackPush",
        "Import",
        "PackLayers",
        "Pull",
        "Inspect",
        "Sign",
        "Verify",
        "Promote",
        "PromoteAll",
        "Rollback",
    )
    for name in names:
        operator = f"Kit{name}Operator"
        assert quoted(told[operator]) == list(getattr(kitops_airflow, operator).template_fields), operator
    for name in ("ModelKitTagSensor", "ModelKitNotifier"):
        assert quoted(told[name]) == list(getattr(kitops_airflow, name).template_fields)
    assert kitops_airflow.KitPackOperator.template_fields == kitops_airflow.KitPackPushOperator.template_fields
    assembled = set(kitops_airflow.KitAssembleOperator.template_fields)
    assert assembled == {*kitops_airflow.KitPackPushOperator.template_fields, "layers"} - {"source"}


def quoted(text: str) -> list[str]:
    """What is between backquotes."""
    return text.split("`")[1::2]


def test_the_annotations_of_what_users_call_can_be_read() -> None:
    assert unreadable(kitops_airflow) == []
