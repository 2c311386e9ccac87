"""Files for a stock Grafana container: a data source and the dashboards, as the README mounts them."""

import re
from typing import Any

import yaml

from tests.dashboards.shipped import DASHBOARDS, UIDS, variables
from tests.e2e.exporter_process import ROOT

FOLDER = ROOT / "deploy/grafana/provisioning"
README = (ROOT / "README.md").read_text()


def load(name: str) -> Any:
    document = yaml.safe_load((FOLDER / name).read_text())
    assert document["apiVersion"] == 1
    return document


def test_data_source_is_prometheus_with_the_shipped_scrape_interval() -> None:
    (source,) = load("datasources/prometheus.yaml")["datasources"]
    prometheus = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    assert source["access"] == "proxy"
    for uid in UIDS:
        assert variables(uid)["datasource"]["query"] == source["type"]


def test_readme_sets_the_variable_mounts_the_paths_and_lists_every_dashboard() -> None:
    (source,) = load("datasources/prometheus.yaml")["datasources"]
    (provider,) = load("dashboards/session-ends.yaml")["providers"]
    assert f"-e {source['url'].removeprefix('$')}=http" in README
    mounts = dict(re.findall(r'-v "\$PWD/([\w/]+):(/[\w/-]+):ro"', README))
    assert mounts == {
        "deploy/grafana/provisioning": "/etc/grafana/provisioning",
        "dashboards": provider["options"]["path"],
    }
    assert all((ROOT / path).is_dir() for path in mounts)
    listed = re.findall(r"^\| \[([^]]+)\]\(dashboards/([\w-]+)\.json\) ", README, re.MULTILINE)
    assert sorted(listed) == sorted((DASHBOARDS[uid]["title"], uid) for uid in UIDS)


def test_uids_of_folders_and_dashboards_are_distinct() -> None:
    """Grafana has one namespace for both: it refuses a dashboard whose uid equals that of its folder."""
    providers = load("dashboards/session-ends.yaml")["providers"]
    uids = [*UIDS, *(provider["folderUid"] for provider in providers)]
    uids += [source["uid"] for source in load("datasources/prometheus.yaml")["datasources"]]
    assert len(set(uids)) == len(uids)
