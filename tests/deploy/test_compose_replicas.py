"""deploy/compose/compose.replicas.yaml: three exporters behind one port, over a Cluster of three nodes."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.settings import PREFIX, load
from tests.deploy.test_compose import COMPOSE, FILES, FOLDER, PAGES, SERVICES, compose
from tests.deploy.valkey import SCRIPTS
from tests.e2e.exporter_process import ROOT

FILE = "compose.replicas.yaml"
REPLICATED: dict[str, Any] = yaml.safe_load((FOLDER / FILE).read_text())
OURS: dict[str, dict[str, Any]] = REPLICATED["services"]
EXPORTERS = [name for name in OURS if name.startswith("exporter")]
NODES = [name for name in OURS if re.fullmatch(r"ledger-\d", name)]
LEDGER = [*NODES, "ledger-form"]
SHARED = {"prometheus", "alertmanager", "grafana"}


def assembled(*files: str) -> dict[str, dict[str, Any]]:
    """The services that compose makes of these files."""
    flags = [part for name in files for part in ("-f", name)]
    done = subprocess.run(
        [*compose(), *flags, "config"], cwd=FOLDER, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    services: dict[str, dict[str, Any]] = yaml.safe_load(done.stdout)["services"]
    for service in services.values():
        service["volumes"] = sorted(service.get("volumes", ()))
        service["networks"] = sorted(service["networks"])
    return services


def test_other_services_are_those_of_the_single_exporter() -> None:
    ours, theirs = assembled(FILE), assembled(FILES[0])
    assert {name for name, service in OURS.items() if "extends" in service} == SHARED
    # Prometheus mounts another configuration, which names three targets.
    for services in (ours, theirs):
        services["prometheus"].pop("volumes")
    assert all(ours[name] == theirs[name] for name in SHARED)
    for section in ("networks", "volumes", "secrets"):
        shared = REPLICATED[section].keys() & COMPOSE[section].keys()
        assert all(REPLICATED[section][name] == COMPOSE[section][name] for name in shared)
    config, other = (
        yaml.safe_load((FOLDER / name).read_text())
        for name in ("prometheus.replicas.yml", "prometheus.yml")
    )
    targets = config["scrape_configs"][0]["static_configs"][0].pop("targets")
    other["scrape_configs"][0]["static_configs"][0].pop("targets")
    assert config == other
    assert targets == [f"{name}:10401" for name in EXPORTERS]
    (mount,) = OURS["prometheus"]["volumes"]
    mounted = {volume.split(":")[1] for volume in SERVICES["prometheus"]["volumes"]}
    assert mount.split(":")[1] in mounted


def test_pages_are_published_beside_the_entry() -> None:
    services = assembled(FILE, FILES[1])
    published = {name for name, service in services.items() if "ports" in service}
    assert published == {*PAGES["services"], "entry"}


def test_networks_separate_senders_from_the_ledger() -> None:
    ports = {name: service["ports"] for name, service in OURS.items() if "ports" in service}
    assert ports == {"entry": SERVICES["exporter"]["ports"]}
    assert "events" in OURS["entry"]["networks"]
    networks = REPLICATED["networks"].items()
    internal = {name for name, network in networks if network and network.get("internal")}
    assert internal == {"monitoring", "ledger"}
    reaching = {name for name, service in OURS.items() if "ledger" in service.get("networks", ())}
    assert reaching == {*EXPORTERS, *LEDGER}
    assert all(OURS[name]["networks"] == ["ledger"] for name in LEDGER)


def test_every_service_is_confined_and_watched() -> None:
    for name in OURS.keys() - SHARED:
        service = OURS[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "mem_limit" in service, name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service), name
        assert re.search(r":v?\d+\.\d+\.\d+(-alpine)?$", service["image"]), name
        # The exporter's health check is in its image; `ledger-form` ends.
        watched = "healthcheck" in service
        assert watched == (name not in EXPORTERS and name != "ledger-form"), name
        restart = "on-failure" if name == "ledger-form" else "unless-stopped"
        assert service["restart"] == restart, name


def test_exporters_are_alike_and_take_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(EXPORTERS) == 3
    ours, single = OURS["exporter"], SERVICES["exporter"]
    assert all(OURS[name] == ours for name in EXPORTERS)
    assert (ours["image"], ours["build"]) == (single["image"], single["build"])
    assert "volumes" not in ours
    for name, value in ours["environment"].items():
        monkeypatch.setenv(name, value)
    assert load().ledger == f"redis+cluster://{','.join(NODES)}"
    assert single["environment"].items() <= ours["environment"].items()
    added = ours["environment"].keys() - single["environment"].keys()
    assert added == {f"{PREFIX}LEDGER", f"{PREFIX}LEDGER_PASSWORD_FILE"}


def test_secrets_are_files_of_the_services_that_need_them() -> None:
    files = {Path(secret["file"]) for secret in REPLICATED["secrets"].values()}
    assert {file.parent.as_posix() for file in files} == {"secrets"}
    for name in (*EXPORTERS, *LEDGER):
        assert "ledger-password" in OURS[name]["secrets"]
        for key, value in OURS[name]["environment"].items():
            if "TOKEN" in key or "PASSWORD" in key:
                assert key.endswith("FILE"), key
                assert Path(value).name in OURS[name]["secrets"]
                assert Path(value).parent == Path("/run/secrets")


def test_ledger_runs_the_scripts_and_image_of_kubernetes() -> None:
    kubernetes = yaml.safe_load((SCRIPTS / "statefulset.yaml").read_text())
    (container,) = kubernetes["spec"]["template"]["spec"]["containers"]
    for name in LEDGER:
        service = OURS[name]
        assert service["image"] == container["image"]
        source, target, mode = service["volumes"][0].split(":")
        assert ((FOLDER / source).resolve(), mode) == (SCRIPTS, "ro")
        shell, script = service["entrypoint"]
        assert (shell, Path(script).parent) == ("sh", Path(target))
        assert (SCRIPTS / Path(script).name).exists()
    for name in NODES:
        assert OURS[name]["environment"]["NODE"] == name
        assert OURS[name]["volumes"][1] == f"{name}:/data"
    assert OURS["ledger-form"]["environment"]["NODES"].split() == NODES


def test_mounted_files_are_in_the_repository_and_read_only() -> None:
    for name, service in OURS.items():
        for text in service.get("volumes", ()):
            source, _, *mode = text.split(":")
            if source.startswith("."):
                assert (FOLDER / source).resolve().is_relative_to(ROOT), name
                assert (FOLDER / source).exists(), source
                assert mode == ["ro"], name
            else:
                assert source in REPLICATED["volumes"], name
