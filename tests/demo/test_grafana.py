"""Grafana for the demo: which installation is used, and how it starts. A script stands in for Grafana."""

import sys
from pathlib import Path

import httpx
import pytest
import yaml

from deploy.demo import grafana
from exporter.errors import ConfigError
from tests.dashboards.shipped import FOLDER, UIDS
from tests.e2e.prometheus_process import free_port

SCRIPT = """#!PYTHON
import http.server, sys
if "--version" in sys.argv:
    sys.exit(print("grafana version VERSION.6.3"))
assert sys.argv[1] == "server"
flags = dict(flag.split("=", 1) for flag in sys.argv[2:])
address = flags["cfg:default.server.http_addr"], int(flags["cfg:default.server.http_port"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()
http.server.HTTPServer(address, Handler).serve_forever()
"""


def install(home: Path, version: int = 11) -> Path:
    for name in ("bin", "conf"):
        (home / name).mkdir(parents=True)
    (home / "conf/defaults.ini").touch()
    program = home / "bin/grafana"
    program.write_text(SCRIPT.replace("VERSION", str(version)).replace("PYTHON", sys.executable))
    program.chmod(0o755)
    return program


def test_grafana_is_found_by_its_home_path_or_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = install(tmp_path / "home")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert grafana.find(None) is None
    assert grafana.find(tmp_path / "home") == (program, tmp_path / "home")
    (tmp_path / "grafana").symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert grafana.find(None) == (program, tmp_path / "home")


@pytest.mark.parametrize("version", [None, 9])
def test_missing_or_old_grafana_in_the_home_path_is_refused(
    tmp_path: Path, version: int | None
) -> None:
    if version:
        install(tmp_path / "home", version)
    with pytest.raises(ConfigError, match="need Grafana 10" if version else "not the home path"):
        grafana.find(tmp_path / "home")


def test_grafana_starts_with_the_dashboards_and_the_prometheus_of_the_demo(tmp_path: Path) -> None:
    install(tmp_path / "home")
    installed = grafana.find(tmp_path / "home")
    assert installed
    address = f"127.0.0.1:{free_port()}"
    started = grafana.program(tmp_path / "files", installed, address, "127.0.0.1:9999")
    provisioning = tmp_path / "files" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://127.0.0.1:9999"
    assert source["jsonData"]["timeInterval"] == "1s"
    (provider,) = yaml.safe_load((provisioning / "dashboards/session-ends.yaml").read_text())[
        "providers"
    ]
    assert Path(provider["options"]["path"]) == FOLDER
    with started:
        assert httpx.get(f"http://{address}/api/health", trust_env=False).is_success
    path, _, times = grafana.dashboard(address).removeprefix(f"http://{address}/d/").partition("?")
    assert path in UIDS
    assert times == "from=now-10m&to=now"
