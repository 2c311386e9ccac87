"""What Grafana is given; the program itself is not among Debian's packages, so that no test runs it."""

import json
from pathlib import Path

import pytest
import yaml

from exporter.demo import grafana, stack
from exporter.demo.stack import Urls

URLS = Urls("http://h:1", "http://h:2", "http://127.0.0.1:3", "http://h:4", "http://127.0.0.1:5")


def given(folder: Path) -> tuple[dict[str, object], Path]:
    """The datasource and the folder of dashboards that Grafana is provisioned with."""
    for name in ("grafana", "prometheus", "alertmanager"):
        (folder / name).mkdir()
    stack.configure(folder, URLS, "http://127.0.0.1:6")
    grafana.program(folder, URLS)
    home = folder / "grafana/provisioning"
    (source,) = yaml.safe_load((home / "datasources/demo.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((home / "dashboards/demo.yaml").read_text())["providers"]
    return source, Path(provider["options"]["path"])


def test_the_dashboards_are_the_shipped_and_ask_the_demo_s_prometheus(tmp_path: Path) -> None:
    source, dashboards = given(tmp_path)
    assert source["url"] == URLS.prometheus
    names = {json.loads(path.read_text())["uid"] for path in dashboards.glob("*.json")}
    assert "session-ends" in names


@pytest.mark.parametrize(
    ("installed", "command"),
    [((), ()), (("grafana-server",), ("grafana-server",)), (("grafana",), ("grafana", "server"))],
)
def test_either_of_grafana_s_programs_will_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    installed: tuple[str, ...],
    command: tuple[str, ...],
) -> None:
    for name in installed:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert grafana.command() == command
