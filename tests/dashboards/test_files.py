"""The committed dashboards: built from dashboards/source, valid for the SDK, and without codes."""

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
    document = json.loads((FOLDER / f"{uid}.json").read_text())
    loaded = json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder))
    for annotation in document["annotations"]["list"]:
        for key in BEYOND_THE_SDK:
            annotation.pop(key, None)
    assert loaded == document
