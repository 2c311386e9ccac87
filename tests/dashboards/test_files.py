"""The committed dashboards: built from dashboards/source, valid for the SDK, and without codes; and the files
with which a stock Grafana container loads them, as the README mounts them."""

import json
import re
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source.__main__ import texts
from exporter.taxonomy import loader
from exporter.taxonomy.model import Severity
from tests.dashboards.shipped import DASHBOARDS, FOLDER, UIDS, panels, variables
from tests.e2e.exporter_process import ROOT

BEYOND_THE_SDK = {
    *("titleFormat", "textFormat", "tagKeys", "useValueForTime", "__inputs", "__requires")
}
"""Keys of annotations that Grafana's Prometheus data source reads, and those of an import."""


def test_committed_dashboards_are_those_of_the_source() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    differing = {name for name, _ in texts().items() ^ committed.items()}
    assert not differing, "dashboards/*.json are outdated: run make dashboards"


def test_dashboards_name_no_system_and_no_code() -> None:
    """A number is a code only if it is a whole string, such as the value of a matcher."""
    systems = loader.load().systems.values()
    words = {word for system in systems for word in (system.system, system.title)}
    codes = [code for system in systems for code in system.codes]
    # "none" is also a severity.
    known = [code for code in codes if code.code != Severity.NONE]
    words |= {code.name for code in codes} | {code.fix for code in codes}
    for name, text in texts().items():
        assert not {word for word in words if word.lower() in text.lower()}, name
        assert not {code.code for code in known if f'"{code.code}"' in text.replace("\\", "")}, name


@pytest.mark.parametrize("uid", UIDS)
def test_dashboard_loads_through_the_sdk_unchanged(uid: str) -> None:
    register_default_plugins()
    loaded = json.loads(json.dumps(Dashboard.from_json(DASHBOARDS[uid]), cls=JSONEncoder))
    assert missing(DASHBOARDS[uid], loaded) <= BEYOND_THE_SDK


def missing(part: Any, whole: Any) -> set[str]:
    """Keys in `part` that `whole` does not have, or has with another value."""
    if isinstance(part, dict):
        lost = [{key} if key not in whole else missing(part[key], whole[key]) for key in part]
    elif isinstance(part, list):
        lost = [missing(*pair) for pair in zip(part, whole, strict=True)]
    else:
        lost = [set() if part == whole else {f"{part} != {whole}"}]
    return set().union(*lost)


@pytest.mark.parametrize("uid", UIDS)
def test_dashboard_can_be_imported_and_not_edited_where_it_is_provisioned(uid: str) -> None:
    """Without an id Grafana creates a dashboard. 39 is the schema of Grafana 10.4."""
    document = DASHBOARDS[uid]
    assert "id" not in document
    assert document["schemaVersion"] == 39
    assert document["editable"] is False
    assert document["__inputs"] == []
    required = {(item["type"], item["id"]) for item in document["__requires"]}
    used = {("panel", panel["type"]) for panel in panels(document)}
    assert required == used | {("grafana", "grafana"), ("datasource", "prometheus")}


def test_lint_exclusions_have_reasons() -> None:
    lint = yaml.safe_load((FOLDER / ".lint").read_text())
    assert all(rule["reason"].endswith(".") for rule in lint["exclusions"].values())


def provisioned(name: str) -> Any:
    document = yaml.safe_load((ROOT / "deploy/grafana/provisioning" / name).read_text())
    assert document["apiVersion"] == 1
    return document


def test_data_source_is_prometheus_with_the_shipped_scrape_interval() -> None:
    (source,) = provisioned("datasources/prometheus.yaml")["datasources"]
    prometheus = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    assert source["access"] == "proxy"
    for uid in UIDS:
        assert variables(uid)["datasource"]["query"] == source["type"]


def test_readme_sets_the_variable_mounts_the_paths_and_lists_every_dashboard() -> None:
    readme = (ROOT / "README.md").read_text()
    (source,) = provisioned("datasources/prometheus.yaml")["datasources"]
    (provider,) = provisioned("dashboards/session-ends.yaml")["providers"]
    assert f"-e {source['url'].removeprefix('$')}=http" in readme
    mounts = dict(re.findall(r'-v "\$PWD/([\w/]+):(/[\w/-]+):ro"', readme))
    assert mounts == {
        "deploy/grafana/provisioning": "/etc/grafana/provisioning",
        "dashboards": provider["options"]["path"],
    }
    assert all((ROOT / path).is_dir() for path in mounts)
    listed = re.findall(r"^\| \[([^]]+)\]\(dashboards/([\w-]+)\.json\) ", readme, re.MULTILINE)
    assert sorted(listed) == sorted((DASHBOARDS[uid]["title"], uid) for uid in UIDS)


def test_uids_of_folders_and_dashboards_are_distinct() -> None:
    """Grafana has one namespace for both: it refuses a dashboard whose uid equals that of its folder."""
    providers = provisioned("dashboards/session-ends.yaml")["providers"]
    uids = [*UIDS, *(provider["folderUid"] for provider in providers)]
    uids += [source["uid"] for source in provisioned("datasources/prometheus.yaml")["datasources"]]
    assert len(set(uids)) == len(uids)
