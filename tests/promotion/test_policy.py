"""``promotion.yaml``: read as written on the first page, with every problem named at once."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import jsonschema
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_core.errors import InvalidInputError, NotFoundError, PolicyError
from kitops_core.kitfile import Kitfile
from kitops_core.kitfile.yaml_decode import decode_mapping
from kitops_core.promotion.channel_models import Channel
from kitops_core.promotion.policy import PromotionPolicy
from kitops_core.promotion.policy_file import load_policy, parse_policy
from kitops_core.promotion.schema import SCHEMA_FILE, schema_text
from kitops_core.promotion.version_tags import version_tags
from kitops_core.wording import duration_text, parse_duration, parse_size, parse_timestamp, size_text, timestamp_text

DOCUMENT = (Path(__file__).parents[2] / "docs" / "promotion-yaml.md").read_text(encoding="utf-8")
FIRST_PAGE, FURTHER_GATES = re.findall(r"^```yaml\n(.*?)^```$", DOCUMENT, re.M | re.S)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory with the key files that the policies name."""
    (tmp_path / "approvers").mkdir()
    for name in ("release.pub", "approvers/risk.pub", "approvers/ml.pub"):
        (tmp_path / name).write_text("a key, which is not read before it is needed")
    return tmp_path


def problems(text: str, base: Path) -> tuple[str, ...]:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, "promotion.yaml", base=base)
    assert str(caught.value).startswith("promotion.yaml: ")
    return caught.value.problems


def test_the_first_pages_example_loads_as_it_is(base: Path) -> None:
    (base / "promotion.yaml").write_text(FIRST_PAGE)
    policy = load_policy(base / "promotion.yaml")
    assert list(policy.channels) == ["dev", "staging", "prod"]
    assert policy.channel("prod").soak == timedelta(hours=24)
    assert policy.channel("staging").from_ == "dev"
    assert [str(policy.target(name)) for name in policy.channels] == [
        "registry.example.com/ml/churn:dev",
        "registry.example.com/ml/churn:staging",
        "registry.prod.example.com/ml/churn:prod",
    ]


def test_the_documents_further_gates_load_as_they_are(base: Path) -> None:
    policy = parse_policy(FURTHER_GATES, "p", base=base)
    assert len(policy.channel("prod").gates) == 7


def test_a_target_may_name_its_own_tag(base: Path) -> None:
    policy = parse_policy("kit: churn\nchannels: {prod: {target: 'other:live'}}", "p", base=base)
    assert str(policy.target("prod")) == "other:live"


def test_a_channel_without_anything_is_one_with_defaults(base: Path) -> None:
    assert parse_policy("kit: churn\nchannels:\n  dev:\n", "p", base=base).channel("dev") == Channel()


def test_an_unknown_channel_is_answered_with_the_name_that_was_meant(base: Path) -> None:
    policy = parse_policy(FIRST_PAGE, "p", base=base)
    with pytest.raises(NotFoundError) as caught:
        policy.channel("stagin")
    assert caught.value.hint == "did you mean 'staging'?"
    with pytest.raises(NotFoundError) as caught:
        policy.target("x")
    assert caught.value.hint == "there are dev, staging, prod"


def test_a_policy_is_made_in_python_and_checked_there_too() -> None:
    policy = PromotionPolicy(kit="churn", channels={"dev": Channel(), "prod": Channel(from_="dev", soak="24h")})
    assert policy.channel("prod").soak == timedelta(days=1)
    with pytest.raises(PolicyError, match="there is no channel 'dve'; did you mean 'dev'"):
        PromotionPolicy(kit="churn", channels={"dev": Channel(), "prod": Channel(from_="dve")})


def test_the_digest_is_of_what_a_policy_says_and_not_of_how_it_is_written(base: Path) -> None:
    policy = parse_policy(FIRST_PAGE, "p", base=base)
    assert parse_policy(FIRST_PAGE.replace("24h", "1d") + "# the end", "p", base=base).digest == policy.digest
    assert parse_policy(FIRST_PAGE.replace("24h", "25h"), "p", base=base).digest != policy.digest


def test_every_problem_is_named_at_once_with_its_line_and_field(base: Path) -> None:
    text = """\
kit: registry.example.com/ml/churn:1.0
channels:
  dev: {form: x}
  staging:
    from: dve
    soak: soon
    gates:
      - metric: {name: accuracy, min: high, not_worse_than: prd}
      - sgned: {key: release.pub}
      - signed: {key: missing.pub}
      - required: [packge.license]
  prod:
    from: staging
    target: registry.example.com/ml/churn@sha256:0
    version_tags: ["{verzion}", "-{version}"]
    approvals: {keys: [approvers/risk.pub], needed: 2}
"""
    found = problems(text, base)
    for line, expected in (
        (1, "kit: 'registry.example.com/ml/churn:1.0' names one kit"),
        (3, "channels.dev.form: is not known; did you mean 'from'?"),
        (5, "channels.staging.from: there is no channel 'dve'; did you mean 'dev'?"),
        (6, "channels.staging.soak: 'soon' is not a duration; write 90s, 30m, 24h or 7d"),
        (8, "channels.staging.gates[0].metric.min: must be a valid number"),
        (8, "channels.staging.gates[0].metric.not_worse_than: there is no channel 'prd'; did you mean 'prod'?"),
        (9, "channels.staging.gates[1].sgned: is not known; did you mean 'signed'?"),
        (10, f"channels.staging.gates[2].signed.key: there is no file {base / 'missing.pub'}"),
        (11, "channels.staging.gates[3].required[0]: 'packge.license': a Kitfile has no field 'packge'; did you"),
        (14, "channels.prod.target: "),
        (15, "channels.prod.version_tags[0]: '{verzion}' has the unknown part {verzion}"),
        (15, "channels.prod.version_tags[1]: '-{version}' gives '-1.0', which is no tag"),
        (16, "channels.prod.approvals.needed: 2 of 1 keys can never be met"),
    ):
        assert [text for text in found if text.startswith(f"line {line}: {expected}")], (expected, found)
    assert len(found) == 13


def test_what_is_wrong_by_itself_hides_nothing_that_does_not_fit_together(base: Path) -> None:
    text = """\
kit: churn
channels:
  dev: {retention: {keep: 0}}
  staging: {from: dve, version_tags: ["{verzion}"]}
"""
    assert [found.partition(": ")[0] for found in problems(text, base)] == ["line 3", "line 4", "line 4"]


@pytest.mark.parametrize(
    ("channels", "problem"),
    [
        ("{a: {from: b}, b: {from: a}}", "goes round in a circle: a from b from a"),
        ("{a: {from: a}}", "goes round in a circle: a from a"),
        ("{x: {from: a}, a: {from: b}, b: {from: a}}", "goes round in a circle: a from b from a"),
        ("{sha256-" + "0" * 64 + ": {}}", "only hold what is attached"),
        ("{a: {target: 'x:1'}, b: {target: 'x:1'}}", "x:1 is the channel a already"),
        ("{a: {}, b: {target: 'churn:a'}}", "churn:a is the channel a already"),
        ("{a: {target: Churn}}", "'Churn' is not a ModelKit reference"),
        ("{a: {target: 'churn@sha256:" + "0" * 64 + "'}}", "names a digest"),
        ("{'a b': {}}", "the name of a channel follows the rules of a tag"),
        ("{a: {soak: 24h}}", "needs 'from'"),
        ("{a: {gates: [{signed: {}}]}}", "names nobody"),
        ("{a: {gates: [{signed: {keys: [release.pub, release.pub]}}]}}", "release.pub is there already"),
        ("{a: {gates: [{signed: {key: release.pub, needed: 2}}]}}", "2 of 1 keys can never be met"),
        ("{a: {gates: [{signed: {identity: me}}]}}", "are only given together"),
        ("{a: {gates: [{}]}}", "is empty; a gate is exactly one of"),
        ("{a: {gates: [{max_size: 1, license: {allow: [MIT]}}]}}", "has license and max_size; a gate is exactly"),
        ("{a: {gates: [{license: {allow: []}}]}}", "must not be empty"),
        ("{a: {gates: [{metric: {name: x}}]}}", "needs a bound"),
        ("{a: {gates: [{metric: {name: x, min: 2, max: 1}}]}}", "nothing could pass"),
        ("{a: {gates: [{metric: {name: x, min: 1, by: 1}}]}}", "by is only for not_worse_than"),
        ("{a: {gates: [{metric: {name: x, min: true}}]}}", "must be a valid number"),
        ("{a: {gates: [{metric: {name: x, min: .nan}}]}}", "which JSON cannot hold"),
        ("{a: {gates: [{age: {}}]}}", "needs a bound"),
        ("{a: {gates: [{command: {run: [x], shell: x}}]}}", "needs either run (a list) or shell (a line)"),
        ("{a: {gates: [{command: x}]}}", "must have named fields"),
        ("{a: {gates: [{max_size: 10 apples}]}}", "'10 apples' is not a size"),
        ("{a: {gates: [{required: [model.parameters.depth, docs.path.x]}]}}", "path has no parts"),
        ("{a: {retention: {keep: 0}}}", "greater than or equal to 1"),
        ("{a: {version_tags: [1.0]}}", "must be text; write it in quotes"),
        ("{a: {}, a: {}}", "'a' is there already, at line 2"),
        ("[]", "must have named fields"),
        ("{}", "must not be empty"),
    ],
)
def test_what_cannot_work_is_refused(channels: str, problem: str, base: Path) -> None:
    (found,) = problems(f"kit: churn\nchannels: {channels}", base)
    assert problem in found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("- a", "must have named fields"),
        ("kit: [", "not YAML"),
        ("channels: {a: {}}", "kit: is missing"),
        ("kit: 'Not A Kit'\nchannels: {a: {}}", "is not a ModelKit reference"),
        ("kit: churn\nchannels: {a: {}}\ntrust: {keys: [nobody.pub]}", "trust.keys[0]: there is no file"),
        ("kit: churn\nchannels: {a: {}}\n---\nkit: x", "a second document starts here"),
    ],
)
def test_a_file_that_is_no_policy_is_refused(text: str, problem: str, base: Path) -> None:
    assert any(problem in found for found in problems(text, base))


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no promotion policy"):
        load_policy(tmp_path / "promotion.yaml")


def test_version_tags_are_filled_in_from_the_kitfile() -> None:
    kitfile = Kitfile.parse("package: {name: churn, version: 1.2}")
    digest = "sha256:" + "ab" * 32
    made = version_tags(["{version}", "v{version}-{channel}", "{name}-{digest}", "{version}"], kitfile, "prod", digest)
    assert made == ("1.2", "v1.2-prod", "churn-abababababab")


def test_a_version_tag_that_the_kitfile_cannot_fill_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=re.escape("the Kitfile has no package.version")):
        version_tags(["{version}"], Kitfile(), "prod", "sha256:ab")
    with pytest.raises(InvalidInputError, match="gives '1 0', which is no tag"):
        version_tags(["{version}"], Kitfile.parse("package: {version: 1 0}"), "prod", "sha256:ab")


@pytest.mark.skipif(
    tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 12), reason="older versions order a schema's keys otherwise"
)
def test_the_shipped_schema_is_that_of_the_models() -> None:
    assert SCHEMA_FILE.read_text() == schema_text(), "run python -m kitops_core.promotion.schema"


def test_the_schema_is_valid_and_takes_the_first_pages_example() -> None:
    schema = json.loads(SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(decode_mapping(FIRST_PAGE))
    validator.validate(decode_mapping(FURTHER_GATES))
    for wrong in ("soak: 24h", "soak: soon", "max_size"):
        text = FIRST_PAGE.replace("soak: 24h", f"soaks: {wrong}") if "soak" in wrong else FIRST_PAGE + "x: 1"
        assert not validator.is_valid(decode_mapping(text))


def test_every_field_says_what_it_is_in_the_schema_and_is_in_the_document() -> None:
    schema = json.loads(SCHEMA_FILE.read_text())
    for name, section in {"": schema, **schema["$defs"]}.items():
        for field, described in section["properties"].items():
            assert described.get("description"), f"{name}.{field}"
            assert re.search(rf"`{field}[`:]", DOCUMENT), f"{name}.{field} is not in docs/promotion-yaml.md"


@given(st.integers(0, 10**9), st.sampled_from("smhdw"))
def test_a_duration_is_a_number_and_a_unit(count: int, unit: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    if count * seconds < 10**10:
        assert parse_duration(f"{count}{unit}") == count * seconds


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_an_error_of_ours(text: str) -> None:
    for parse in (parse_duration, parse_size):
        with suppress(InvalidInputError):
            assert parse(text) >= 0


@given(st.integers(0, 10**7), st.sampled_from(["", "k", "M", "G", "T", "P"]), st.sampled_from(["", "i"]))
def test_a_size_is_a_number_of_bytes(count: int, prefix: str, binary: str) -> None:
    unit = f"{prefix}{binary}B" if prefix else "B"
    base = 1024 if binary and prefix else 1000
    power = " kMGTP".index(prefix) if prefix else 0
    assert parse_size(f"{count}{unit}") == parse_size(f"{count} {unit}") == count * base**power
    assert parse_size(size_text(count).replace(" ", "")) == pytest.approx(count, rel=0.05, abs=1)


@given(st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_a_duration_for_people_is_never_longer_than_it_was(duration: timedelta) -> None:
    told = sum(parse_duration(part) for part in duration_text(duration).split())
    assert told <= duration.total_seconds()
    assert told == pytest.approx(duration.total_seconds(), rel=0.05, abs=1)


@pytest.mark.parametrize(
    ("duration", "text"), [("24h", "24h"), ("7d", "7d"), ("11520", "3h 12m"), ("49h", "2d 1h"), ("0.5s", "0s")]
)
def test_durations_read_as_people_say_them(duration: str, text: str) -> None:
    assert duration_text(timedelta(seconds=parse_duration(duration))) == text


@pytest.mark.parametrize("text", ["1e3s", "-1h", "h", "1 h", "1h30m", "99999999999999d", "٣h", "", "inf"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_duration(text)


@given(st.datetimes(timezones=st.just(timezone.utc)))
def test_a_time_that_we_wrote_is_read_back(time: datetime) -> None:
    assert parse_timestamp(timestamp_text(time)) == time


@pytest.mark.parametrize(
    "text",
    ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456789Z", "2026-01-31 12:00:00+01:00", "2026-01-31t12:00:00.1z"],
)
def test_times_of_other_writers_are_read(text: str) -> None:
    assert parse_timestamp(text) is not None


@pytest.mark.parametrize(
    "text", ["2026-01-31", "2026-01-31T12:00:00", "2026-02-30T12:00:00Z", "0001-01-01T00:00:00+23:59", "now", 1, None]
)
def test_what_is_no_time_of_rfc_3339_is_none(text: object) -> None:
    assert parse_timestamp(text) is None
