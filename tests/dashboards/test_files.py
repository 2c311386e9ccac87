"""The committed dashboards are those of dashboards/source, load back through the SDK, and name no code."""

import json

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source.__main__ import texts
from exporter.taxonomy import loader
from exporter.taxonomy.model import Severity
from tests.dashboards.shipped import FOLDER, UIDS

BEYOND_THE_SDK = ("titleFormat", "textFormat", "tagKeys", "useValueForTime")
"""Keys of annotations that the Prometheus data source of Grafana reads and the SDK does not know."""


def test_the_committed_dashboards_are_those_of_the_source() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    differing = {name for name, _ in texts().items() ^ committed.items()}
    assert not differing, "dashboards/*.json are outdated: run make dashboards"


def test_no_dashboard_names_a_system_or_code_of_the_taxonomies() -> None:
    """A number is a code only as a string of its own, such as the value of a matcher."""
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
def test_a_dashboard_loads_back_through_the_sdk_and_is_the_same(uid: str) -> None:
    register_default_plugins()
    document = json.loads((FOLDER / f"{uid}.json").read_text())
    loaded = json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder))
    for annotation in document["annotations"]["list"]:
        for key in BEYOND_THE_SDK:
            annotation.pop(key, None)
    assert loaded == document
