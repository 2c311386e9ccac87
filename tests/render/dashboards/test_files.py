"""Dashboards as files: they load back through the SDK's types, and Kubernetes' copy is the same."""

import json
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from exporter.errors import ConfigError
from exporter.policy.loader import load as load_policy
from exporter.render import generate
from exporter.render.dashboards.files import CONFIGMAPS
from tests.e2e.exporter_process import ROOT
from tests.render.dashboards import promql
from tests.render.dashboards.recording import recording
from tests.render.dashboards.shipped import FOLDER, UIDS, interpolated
from tests.render.test_generate import POLICY, TAXONOMY

BEYOND_THE_SDK = ("titleFormat", "textFormat", "tagKeys")
"""What Grafana's Prometheus data source reads of an annotation, and the SDK's type does not have."""
# How much kubectl apply can note of an object in its annotation, in bytes.
NOTED = 262_144


@pytest.mark.parametrize("uid", UIDS)
def test_a_dashboard_loads_back_through_the_sdk_and_is_the_same(uid: str) -> None:
    register_default_plugins()
    document = json.loads((FOLDER / f"{uid}.json").read_text())
    loaded = Dashboard.from_json(json.loads((FOLDER / f"{uid}.json").read_text()))
    alerts, *builds = document["annotations"]["list"]
    assert [alerts.pop(key) for key in BEYOND_THE_SDK] == [
        "{{alertname}}",
        "{{system}} {{code}}",
        "severity,system,code",
    ]
    for annotation in builds:
        keys = (*BEYOND_THE_SDK, "useValueForTime")
        found = [annotation.pop(key) for key in keys]
        assert found == ["{{event}}", "{{system}}", "system,event", True]
    assert json.loads(json.dumps(loaded, cls=JSONEncoder)) == document


def test_the_configmaps_have_the_files_and_the_sidecars_label() -> None:
    document = yaml.safe_load((ROOT / CONFIGMAPS).read_text())
    data: dict[str, str] = {}
    for item in document["items"]:
        assert item["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert len(json.dumps(item)) < NOTED
        data |= item["data"]
    assert data == {f"{uid}.json": (FOLDER / f"{uid}.json").read_text() for uid in UIDS}


def rendered(policy: Any, runbooks: str = "http://r", taxonomy: Any = TAXONOMY) -> dict[str, Any]:
    pack = generate.pack_of(taxonomy, policy, runbooks, "http://d")
    return {
        path: json.loads(text)
        for path, text in generate.texts(pack, generate.PARTS[-1:]).items()
        if path.endswith(".json")
    }


def test_another_policys_windows_and_objectives_are_those_that_its_rules_record(
    tmp_path: Any,
) -> None:
    """Fails when a window is written into a dashboard."""
    document = yaml.safe_load((ROOT / "exporter/policy.yaml").read_text())
    for window, other in zip(document["limit"]["windows"], ("4m", "20m", "3h"), strict=True):
        window["window"] = other
    document["spike"]["confirm_window"] = "4m"
    document["overrun"]["window"] = document["new"]["window"] = "3h"
    document["elevated"]["windows"][0]["confirm_window"] = "3h"
    document["budget"]["windows"][0] |= {"long": "2h", "short": "10m"}
    document["budget"]["objectives"] = [
        {"system": "softdrive", "objective": 0.98, "reason": "An example."}
    ]
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(document))
    policy = load_policy(path)
    records = {rule.record for rule in recording(policy)}
    boards = rendered(policy)
    text = {path: json.dumps(board) for path, board in boards.items()}
    values = {"__rate_interval": "1m", "label": "region"}
    for board in boards.values():
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                used = promql.metrics(interpolated(target["expr"], values))
                recorded = {one for one in used if ":" in one}
                assert recorded <= records, (panel["title"], recorded - records)
    assert "/ 0.02" in text["dashboards/session-ends-slo.json"]
    assert "98 %" in text["dashboards/session-ends.json"]


def test_links_to_runbooks_begin_with_the_packs_base_url() -> None:
    for board in rendered(POLICY, "https://run.example").values():
        text = json.dumps(board)
        assert "https://run.example/codes" in text
        assert "127.0.0.1" not in text


def test_without_the_sdk_render_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in list(sys.modules):
        if name.startswith(("grafana_foundation_sdk", "exporter.render.dashboards")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("exporter.render.dashboards", raising=False)
    monkeypatch.setitem(sys.modules, "grafana_foundation_sdk", None)
    with pytest.raises(ConfigError, match=r"session-end-exporter\[render\]"):
        rendered(POLICY)


def test_serving_does_not_import_the_sdk() -> None:
    import subprocess
    import sys

    code = (
        "import sys, exporter.cli, exporter.serve, exporter.ops.app, exporter.render.generate; "
        "sys.exit(any(one.startswith('grafana_foundation_sdk') for one in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
