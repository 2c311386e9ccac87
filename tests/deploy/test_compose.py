"""deploy/compose: one exporter, or three exporters over a shared ledger, with Prometheus and Grafana."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

import exporter
from exporter.settings import PREFIX
from tests.deploy.kubernetes.conftest import settings_of
from tests.deploy.test_valkey import SCRIPTS
from tests.e2e.exporter_process import ROOT
from tests.programs import finished

FOLDER = ROOT / "deploy/compose"
VERSIONS = dict(re.findall(r"^(\w+)=(.+)$", (FOLDER / ".env").read_text(), re.MULTILINE))
SINGLE, REPLICAS, PAGES = (
    yaml.safe_load(Template((FOLDER / f"compose{name}.yaml").read_text()).substitute(VERSIONS))
    for name in ("", ".replicas", ".pages")
)
STACKS = pytest.mark.parametrize("stack", [SINGLE, REPLICAS], ids=["single", "replicas"])
EXPORTERS = ["exporter", "exporter-2", "exporter-3"]
NODES = ["ledger-1", "ledger-2", "ledger-3"]
FORM = "ledger-form"
SHARED = {"prometheus", "alertmanager", "grafana"}
Service = dict[str, Any]


def command() -> list[str]:
    """Docker's plugin, or Debian's program. Neither needs a daemon to read files."""
    if shutil.which("docker") and finished("docker", "compose", "version").returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"]


def services(stack: Service) -> dict[str, Service]:
    """The services that a file describes itself."""
    return {name: item for name, item in stack["services"].items() if "extends" not in item}


def mounts(stack: Service) -> Iterator[tuple[str, Path, str, str]]:
    """Service, source, target and mode of each mounted path of the repository."""
    for name, service in stack["services"].items():
        for text in service.get("volumes", ()):
            source, target, *mode = text.split(":")
            if source.startswith("."):
                yield name, (FOLDER / source).resolve(), target, "".join(mode)
            else:
                assert source in stack["volumes"], name


@pytest.mark.parametrize("pages", [[], ["-f", "compose.pages.yaml"]], ids=["", "pages"])
@pytest.mark.parametrize("file", ["compose.yaml", "compose.replicas.yaml"])
def test_compose_accepts_the_files(file: str, pages: list[str]) -> None:
    done = finished(*command(), "-f", file, *pages, "config", "-q", cwd=FOLDER)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@STACKS
def test_mounts_exist_and_are_read_only(stack: Service) -> None:
    for name, path, _, mode in mounts(stack):
        assert path.is_relative_to(ROOT), name
        assert path.exists(), path
        assert mode == "ro", path


@STACKS
def test_every_service_is_confined_and_has_a_health_check(stack: Service) -> None:
    for name, service in services(stack).items():
        assert re.search(r":v?\d+\.\d+\.\d+(-alpine)?$", service["image"]), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "mem_limit" in service, name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service), name
        assert not service.get("user", "").startswith(("0", "root")), name
        assert service["restart"] == ("on-failure" if name == FORM else "unless-stopped"), name
        # The exporter's health check is in its image; `ledger-form` ends.
        assert ("healthcheck" in service) == (name not in (*EXPORTERS, FORM)), name


@STACKS
def test_exporters_are_built_as_the_version_of_the_package(stack: Service) -> None:
    service = stack["services"]["exporter"]
    assert service["image"] == f"session-end-exporter:{exporter.__version__}"
    assert (FOLDER / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).exists()


def test_versions_are_those_that_the_documentation_promises() -> None:
    """The files name no version themselves; docker-compose inserts the versions of `.env`."""
    for path in FOLDER.glob("compose*.yaml"):
        assert not re.search(r"image: .*:v?\d", path.read_text()), path
    release = {name: tuple(map(int, text.split("."))) for name, text in VERSIONS.items()}
    readme = (ROOT / "README.md").read_text()
    ((oldest, newest),) = re.findall(r"Grafana (\d+)\.\d+ to (\d+)", readme)
    assert int(oldest) <= release["GRAFANA_VERSION"][0] <= int(newest)
    receivers = (ROOT / "docs/alertmanager.md").read_text()
    needed = re.findall(r"Alertmanager (\d+)\.(\d+) or later", receivers)
    assert needed
    for pair in needed:
        assert release["ALERTMANAGER_VERSION"] >= tuple(map(int, pair))
    assert release["PROMETHEUS_VERSION"][0] == 3


def test_only_the_ingest_port_is_published_on_loopback() -> None:
    for stack, entry in ((SINGLE, "exporter"), (REPLICAS, "entry")):
        ports = {name: item["ports"] for name, item in services(stack).items() if "ports" in item}
        assert ports == {entry: ["127.0.0.1:10400:10400"]}
    pages = [port for service in PAGES["services"].values() for port in service["ports"]]
    assert pages == [f"127.0.0.1:{port}:{port}" for port in (10401, 9090, 9093, 3000)]


def test_links_open_on_the_published_ports() -> None:
    """Otherwise they begin with the name of a container, or the notification has no link."""
    settings = settings_of(SINGLE["services"]["exporter"]["environment"])
    urls = [settings.runbooks, settings.dashboard_url, settings.prometheus_url]
    for name in ("prometheus", "alertmanager"):
        flags = dict(flag.split("=", 1) for flag in SINGLE["services"][name]["command"])
        urls.append(flags["--web.external-url"])
    ports = {name: item["ports"][0].split(":")[1] for name, item in PAGES["services"].items()}
    order = ("exporter", "grafana", "prometheus", "prometheus", "alertmanager")
    assert urls == [f"http://localhost:{ports[name]}" for name in order]


def test_published_services_are_on_an_outer_network_and_the_ledger_on_its_own() -> None:
    """Compose ignores ports of a service whose networks are all internal."""
    for stack, internal in ((SINGLE, {"monitoring"}), (REPLICAS, {"monitoring", "ledger"})):
        networks = stack["networks"].items()
        assert internal == {name for name, item in networks if item and item.get("internal")}
        own = stack["services"]
        for name, service in (*own.items(), *PAGES["services"].items()):
            if service.get("ports"):
                described = SINGLE["services"] if name in SHARED else own
                joined = {*described[name]["networks"], *service.get("networks", [])}
                assert joined - internal, name
    for name in ("grafana", "prometheus"):
        assert SINGLE["services"][name]["networks"] == ["monitoring"]
    on_ledger = {name: item["networks"] for name, item in services(REPLICAS).items()}
    for name in (*NODES, FORM):
        assert on_ledger.pop(name) == ["ledger"]
    assert {name for name, networks in on_ledger.items() if "ledger" in networks} == {*EXPORTERS}
    # The network has no connection to the internet, so Grafana must not try to download.
    grafana = SINGLE["services"]["grafana"]["environment"]
    assert grafana["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"


@STACKS
def test_secrets_are_files_outside_of_the_repository(stack: Service) -> None:
    parents = {Path(secret["file"]).parent.as_posix() for secret in stack["secrets"].values()}
    assert parents == {"secrets"}
    assert "secrets/" in (FOLDER / ".gitignore").read_text().splitlines()
    for name, service in services(stack).items():
        mounted = {
            secret if isinstance(secret, str) else secret["source"]
            for secret in service.get("secrets", ())
        }
        assert mounted <= stack["secrets"].keys(), name
        for key, value in service.get("environment", {}).items():
            if re.search("TOKEN|PASSWORD|SECRET", key):
                assert key.endswith("FILE"), key
                assert value in {f"/run/secrets/{secret}" for secret in mounted}, key


def test_files_are_mounted_where_the_programs_read_them() -> None:
    config = (ROOT / "deploy/alertmanager/alertmanager.yml").read_text()
    targets = {secret["target"] for secret in SINGLE["services"]["alertmanager"]["secrets"]}
    assert targets == set(re.findall(r"api_url_file: (\S+)", config))
    mounted = {(name, path): target for name, path, target, _ in mounts(SINGLE)}
    prometheus = mounted["prometheus", FOLDER / "prometheus.yml"]
    assert f"--config.file={prometheus}" in SINGLE["services"]["prometheus"]["command"]
    # The configuration reads rules/*.yml beside it.
    rules = mounted["prometheus", ROOT / "rules"]
    assert Path(rules) == Path(prometheus).with_name("rules")
    assert ("alertmanager", ROOT / "deploy/alertmanager") in mounted
    provisioning = ROOT / "deploy/grafana/provisioning"
    assert mounted["grafana", provisioning] == "/etc/grafana/provisioning"
    text = (provisioning / "dashboards/session-ends.yaml").read_text()
    (provider,) = yaml.safe_load(text)["providers"]
    assert provider["options"]["path"] == mounted["grafana", ROOT / "dashboards"]
    source = (provisioning / "datasources/prometheus.yaml").read_text()
    (variable,) = re.findall(r"url: \$(\w+)", source)
    assert SINGLE["services"]["grafana"]["environment"][variable] == "http://prometheus:9090"


def test_replicas_have_the_services_of_the_single_exporter() -> None:
    for name in SHARED:
        extends = REPLICAS["services"][name]["extends"]
        assert extends == {"file": "compose.yaml", "service": name}
    (config,) = (mount for mount in mounts(REPLICAS) if mount[0] == "prometheus")
    (single,) = (mount for mount in mounts(SINGLE) if mount[1] == FOLDER / "prometheus.yml")
    assert config[1:] == (FOLDER / "prometheus.replicas.yml", *single[2:])


def test_exporters_are_alike_and_have_valid_settings() -> None:
    replica, single = REPLICAS["services"]["exporter"], SINGLE["services"]["exporter"]
    assert all(REPLICAS["services"][name] == replica for name in EXPORTERS)
    assert "volumes" not in replica
    settings = settings_of(replica["environment"])
    assert settings.ledger == f"redis+cluster://{','.join(NODES)}"
    added = replica["environment"].items() - single["environment"].items()
    assert {name for name, _ in added} == {f"{PREFIX}LEDGER", f"{PREFIX}LEDGER_PASSWORD_FILE"}
    assert single["environment"].items() <= replica["environment"].items()


def test_ledger_runs_the_scripts_and_image_of_kubernetes() -> None:
    (image,) = yaml.safe_load((SCRIPTS / "kustomization.yaml").read_text())["images"]
    mounted = {name: (path, target) for name, path, target, _ in mounts(REPLICAS)}
    for name in (*NODES, FORM):
        service = REPLICAS["services"][name]
        assert service["image"] == f"{image['name']}:{image['newTag']}"
        path, target = mounted[name]
        shell, script = service["entrypoint"]
        assert (path, shell, Path(script).parent) == (SCRIPTS, "sh", Path(target))
        assert (SCRIPTS / Path(script).name).exists()
    for name in NODES:
        assert REPLICAS["services"][name]["environment"]["NODE"] == name
        assert f"{name}:/data" in REPLICAS["services"][name]["volumes"]
    assert REPLICAS["services"][FORM]["environment"]["NODES"].split() == NODES


def test_prometheus_configurations_are_the_shipped_one_with_other_addresses() -> None:
    shipped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    rules = yaml.safe_load((ROOT / "rules/session-ends.yml").read_text())["groups"]
    (pages,) = (group for group in rules if group["name"] == "session-ends-windows")
    assert shipped["global"]["evaluation_interval"] == pages["interval"]
    shipped["rule_files"] = ["rules/*.yml"]
    (scrape,), (alertmanager,) = shipped["scrape_configs"], shipped["alerting"]["alertmanagers"]
    alertmanager["static_configs"] = [{"targets": ["alertmanager:9093"]}]
    for name, exporters in (("prometheus", EXPORTERS[:1]), ("prometheus.replicas", EXPORTERS)):
        scrape["static_configs"] = [{"targets": [f"{exporter}:10401" for exporter in exporters]}]
        assert yaml.safe_load((FOLDER / f"{name}.yml").read_text()) == shipped
