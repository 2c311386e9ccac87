"""The Helm chart: checks that do not need Helm; `make test-helm` runs the others."""

import copy
import json
import re
from typing import Any

import jsonschema_rs
import pytest
import yaml

import exporter
from exporter import names
from exporter.settings import Settings
from tests.e2e.exporter_process import ROOT

CHART = ROOT / "deploy/helm/session-end-exporter"
ABOUT = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
TEMPLATES = {
    path.name: path.read_text(encoding="utf-8") for path in (CHART / "templates").iterdir()
}
FOR_BROWSERS = [names.BEACONS_PATH, names.COLLECTOR_PATH]
WITH_A_TOKEN = [names.INGEST_PATH, names.LOGS_PATH, names.BUILDS_PATH]


def paths(schema: dict[str, Any], values: dict[str, Any], prefix: str = "") -> set[str]:
    """The values as templates name them. Fails unless the schema describes exactly these values."""
    properties = {key: item for key, item in schema["properties"].items() if key != "global"}
    assert properties.keys() == values.keys(), prefix
    found: set[str] = set()
    for key, item in properties.items():
        if item.get("additionalProperties") is False:
            found |= paths(item, values[key], f"{prefix}{key}.")
        else:
            found.add(f"{prefix}{key}")
    return found


def test_schema_is_valid_and_accepts_the_values() -> None:
    jsonschema_rs.meta.validate(SCHEMA)
    jsonschema_rs.validator_for(SCHEMA).validate(VALUES)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"replicas": 2}, ""),
        ({"image": {"tags": "0.1.0"}}, "image"),
        ({"image": {"digest": "sha256:abc"}}, "digest"),
        ({"settings": {"ops": "0.0.0.0:80"}}, "settings"),
        ({"settings": {"labels": ["region"]}}, "labels"),
        ({"settings": {"max_events": 1.5}}, "max_events"),
        ({"tokens": {"secret": ""}}, "secret"),
        ({"persistence": {"size": "1"}}, "size"),
        ({"sharedLedger": {"address": "redis://:password@host"}}, "address"),
        ({"sharedLedger": {"replicas": 0}}, "replicas"),
        ({"podSpec": {"volumes": []}}, "podSpec"),
        ({"ingress": {"paths": ["/metrics"]}}, "paths"),
        # The exporter refuses beacons of unknown sites: it needs the keys.
        ({"ingress": {"enabled": True}}, "beacons"),
    ],
    ids=str,
)
def test_schema_refuses_mistakes_and_names_the_place(change: dict[str, Any], place: str) -> None:
    values = copy.deepcopy(VALUES)
    for key, value in change.items():
        values[key] = {**values[key], **value} if key in values else value
    errors = list(jsonschema_rs.validator_for(SCHEMA).iter_errors(values))
    assert len(errors) == 1
    assert place in [*errors[0].instance_path, ""]


def test_ingress_can_publish_paths_of_the_ingest_listener_only() -> None:
    allowed = SCHEMA["properties"]["ingress"]["properties"]["paths"]["items"]["enum"]
    assert allowed == [*FOR_BROWSERS, *WITH_A_TOKEN]
    assert VALUES["ingress"]["paths"] == FOR_BROWSERS


def test_settings_of_other_values_exist() -> None:
    reserved = set(SCHEMA["properties"]["settings"]["propertyNames"]["not"]["enum"])
    assert reserved <= Settings.model_fields.keys()
    written = set(re.findall(r"SESSION_EXPORTER_([A-Z_]+)", TEMPLATES["statefulset.yaml"]))
    assert {name.lower() for name in written} - {"allowed_hosts", ""} <= reserved


def test_templates_use_the_values_of_values_and_schema() -> None:
    used = set(re.findall(r"\.Values\.([\w.]+)", "".join(TEMPLATES.values())))
    assert used == paths(SCHEMA, VALUES)


def test_templates_read_files_of_the_repository_through_links() -> None:
    """The chart contains no copy of rules, dashboards or manifests."""
    links = {path.name: path for path in (CHART / "files").iterdir()}
    assert all(path.is_symlink() for path in links.values())
    for path in links.values():
        assert path.readlink().as_posix().startswith("../")
        assert path.resolve().is_relative_to(ROOT)
    assert links["rules"].resolve() == ROOT / "rules"
    assert links["dashboards"].resolve() == ROOT / "dashboards"
    text = "".join(TEMPLATES.values())
    files = set(re.findall(r'"file" "([\w/.-]+)"', text))
    globs = set(re.findall(r'\.Files\.Glob "files/([\w/.*-]+)"', text))
    for pattern in files | globs:
        assert list((CHART / "files").glob(pattern)), pattern
    assert {pattern.partition("/")[0] for pattern in files | globs} == links.keys()


def test_versions_are_those_of_the_package() -> None:
    assert ABOUT["version"] == ABOUT["appVersion"] == exporter.__version__
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'description = "{ABOUT["description"]}"' in project
    assert f'license = "{ABOUT["annotations"]["artifacthub.io/license"]}"' in project
