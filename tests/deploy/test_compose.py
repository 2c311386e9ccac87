"""deploy/compose: what is mounted is there, what is published is little, and nothing secret is in it."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.containerfile import every, stages
from tests.e2e.exporter_process import ROOT

FOLDER = ROOT / "deploy/compose"
FILES = ("compose.yaml", "compose.pages.yaml")
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / FILES[0]).read_text())
PAGES: dict[str, Any] = yaml.safe_load((FOLDER / FILES[1]).read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def compose() -> list[str]:
    """The command of this machine: Docker's plugin, or Debian's program, neither of which needs a daemon
    to read files."""
    if shutil.which("docker"):
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if plugin.returncode == 0:
            return ["docker", "compose"]
    return ["docker-compose"]


def mounts(service: str) -> list[tuple[Path, str, str]]:
    """Paths of the repository that are mounted: source, target, mode."""
    found = []
    for text in SERVICES[service].get("volumes", []):
        source, target, *mode = text.split(":")
        if source.startswith("."):
            found.append(((FOLDER / source).resolve(), target, "".join(mode)))
    return found


@pytest.mark.parametrize("files", [FILES[:1], FILES])
def test_compose_accepts_the_files(files: tuple[str, ...]) -> None:
    flags = [part for name in files for part in ("-f", name)]
    done = subprocess.run(
        [*compose(), *flags, "config", "-q"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_mounts_exist_and_are_read_only() -> None:
    found = [one for service in SERVICES for one in mounts(service)]
    assert {path.relative_to(ROOT).as_posix() for path, _, _ in found} == {
        "deploy/compose/prometheus.yml",
        "rules",
        "deploy/alertmanager",
        "deploy/grafana/provisioning",
        "dashboards",
    }
    for path, target, mode in found:
        assert path.exists(), path
        assert mode == "ro", target


def test_images_are_pinned_and_the_exporters_is_built() -> None:
    for name, service in SERVICES.items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
    (labels,) = every("LABEL", stages()[1])
    (version,) = re.findall(r'image\.version="([^"]+)"', labels)
    assert SERVICES["exporter"]["image"] == f"session-end-exporter:{version}"
    build = SERVICES["exporter"]["build"]
    assert (FOLDER / build["context"] / build["dockerfile"]).exists()
    assert (FOLDER / build["context"]).resolve() == ROOT


def test_every_service_is_confined_and_has_a_health_check() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name
        assert "mem_limit" in service, name
        assert not {"privileged", "cap_add", "network_mode", "pid", "user"} & set(service), name
        # The exporter's is in the image.
        assert ("healthcheck" in service) == (name != "exporter"), name


def test_only_the_ingest_port_is_published_on_loopback() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"exporter": ["127.0.0.1:10400:10400"]}


def test_pages_are_published_on_loopback_at_their_usual_ports() -> None:
    ports = [port for service in PAGES["services"].values() for port in service["ports"]]
    assert ports == [f"127.0.0.1:{port}:{port}" for port in (10401, 9090, 9093, 3000)]


def test_published_services_are_on_a_network_that_is_not_internal() -> None:
    """Compose publishes nothing of a service whose networks are all internal, and says nothing."""
    internal = {name for name, one in COMPOSE["networks"].items() if one and one.get("internal")}
    assert internal == {"monitoring"}
    for file in (COMPOSE, PAGES):
        for name, service in file["services"].items():
            networks = {*SERVICES[name]["networks"], *service.get("networks", [])}
            if service.get("ports"):
                assert networks - internal, name
    # Grafana and Prometheus reach nothing but each other and the exporter.
    assert SERVICES["grafana"]["networks"] == SERVICES["prometheus"]["networks"] == ["monitoring"]


def test_secrets_are_files_outside_of_the_repository() -> None:
    files = {one["file"] for one in COMPOSE["secrets"].values()}
    assert {Path(file).parent.as_posix() for file in files} == {"secrets"}
    assert "secrets/" in (FOLDER / ".gitignore").read_text().splitlines()
    used = {
        one if isinstance(one, str) else one["source"]
        for service in SERVICES.values()
        for one in service.get("secrets", [])
    }
    assert used == set(COMPOSE["secrets"])
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if re.search("TOKEN|PASSWORD|SECRET", key):
                assert value.startswith("/run/secrets/"), key
                assert key.endswith("FILE"), key


def test_alertmanager_secrets_are_mounted_where_it_reads_them() -> None:
    config = (ROOT / "deploy/alertmanager/alertmanager.yml").read_text()
    wanted = set(re.findall(r"api_url_file: (\S+)", config))
    assert {one["target"] for one in SERVICES["alertmanager"]["secrets"]} == wanted


def test_prometheus_configuration_differs_only_in_addresses_and_rule_paths() -> None:
    ours = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    other = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    targets = []
    for config in (ours, other):
        (scrape,) = config["scrape_configs"]
        (alertmanager,) = config["alerting"]["alertmanagers"]
        targets.append(
            [
                one.pop("targets")[0]
                for part in (scrape, alertmanager)
                for one in part["static_configs"]
            ]
        )
        config.pop("rule_files")
    assert ours == other
    assert [name.split(":")[0] for name in targets[0]] == ["exporter", "alertmanager"]
    assert [name.split(":")[1] for name in targets[0]] == [
        name.split(":")[1] for name in targets[1]
    ]
    assert set(SERVICES) >= {"exporter", "alertmanager"}


def test_promtool_accepts_the_mounted_prometheus_files(tmp_path: Path) -> None:
    home = tmp_path / "etc/prometheus"
    for source, target, _ in mounts("prometheus"):
        path = tmp_path / target.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(source)
    done = subprocess.run(
        ["promtool", "check", "config", home / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(list((ROOT / 'rules').glob('*.yml')))} rule files found" in done.stdout


def test_dashboards_are_mounted_where_grafana_reads_them() -> None:
    text = (ROOT / "deploy/grafana/provisioning/dashboards/session-ends.yaml").read_text()
    (provider,) = yaml.safe_load(text)["providers"]
    assert provider["options"]["path"] in {target for _, target, _ in mounts("grafana")}
    source = (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yaml").read_text()
    (variable,) = re.findall(r"url: \$(\w+)", source)
    assert SERVICES["grafana"]["environment"][variable] == "http://prometheus:9090"
