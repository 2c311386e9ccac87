"""deploy/compose/compose.replicas.yaml: three exporters behind one port, over a ledger of three nodes."""

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
TAKEN_OVER = {"prometheus", "alertmanager", "grafana"}


def assembled(*files: str) -> dict[str, dict[str, Any]]:
    """The services as compose makes them of these files."""
    flags = [part for name in files for part in ("-f", name)]
    done = subprocess.run(
        [*compose(), *flags, "config"], cwd=FOLDER, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    services: dict[str, dict[str, Any]] = yaml.safe_load(done.stdout)["services"]
    for one in services.values():
        # Written in one order or another, as what is taken over is.
        one["volumes"] = sorted(one.get("volumes", ()))
        one["networks"] = sorted(one["networks"])
    return services


def test_compose_takes_the_rest_over_and_prometheus_has_other_targets() -> None:
    ours, theirs = assembled(FILE), assembled(FILES[0])
    assert {name for name, one in OURS.items() if "extends" in one} == TAKEN_OVER
    for name in TAKEN_OVER - {"prometheus"}:
        assert ours[name] == theirs[name]
    ours["prometheus"].pop("volumes")
    theirs["prometheus"].pop("volumes")
    assert ours["prometheus"] == theirs["prometheus"]
    for kind in ("networks", "volumes", "secrets"):
        shared = REPLICATED[kind].keys() & COMPOSE[kind].keys()
        assert all(REPLICATED[kind][name] == COMPOSE[kind][name] for name in shared)


def test_the_pages_are_published_beside_it() -> None:
    services = assembled(FILE, FILES[1])
    published = {name: one["ports"] for name, one in services.items() if "ports" in one}
    assert published.keys() == {*PAGES["services"], "entry"}


def test_events_come_in_at_the_entry_on_loopback_and_nowhere_else() -> None:
    ports = {name: one["ports"] for name, one in OURS.items() if "ports" in one}
    assert ports == {"entry": SERVICES["exporter"]["ports"]}
    assert "events" in OURS["entry"]["networks"]
    internal = {name for name, one in REPLICATED["networks"].items() if one and one.get("internal")}
    assert internal == {"monitoring", "ledger"}
    # The ledger is reached by the exporters alone, and reaches nothing.
    assert {name for name, one in OURS.items() if "ledger" in one.get("networks", ())} == {
        *EXPORTERS,
        *NODES,
        "ledger-form",
    }
    assert all(OURS[name]["networks"] == ["ledger"] for name in (*NODES, "ledger-form"))


def test_every_service_is_confined_and_watched() -> None:
    for name, service in OURS.items():
        if name in TAKEN_OVER:
            continue
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "mem_limit" in service, name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service), name
        assert re.search(r":v?\d+\.\d+\.\d+(-alpine)?$", service["image"]), name
        # The exporter's is in the image, and what forms the Cluster ends.
        watched = "healthcheck" in service
        assert watched == (name not in EXPORTERS and name != "ledger-form"), name
        ends = name == "ledger-form"
        assert service["restart"] == ("on-failure" if ends else "unless-stopped"), name


def test_the_images_are_those_of_the_other_deployments() -> None:
    kubernetes = yaml.safe_load((SCRIPTS / "statefulset.yaml").read_text())
    (node,) = kubernetes["spec"]["template"]["spec"]["containers"]
    assert {OURS[name]["image"] for name in (*NODES, "ledger-form")} == {node["image"]}
    for name in EXPORTERS:
        assert OURS[name]["image"] == SERVICES["exporter"]["image"]
        assert OURS[name]["build"] == SERVICES["exporter"]["build"]


def test_the_exporters_are_alike_and_take_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(EXPORTERS) == 3
    assert all(OURS[name] == OURS["exporter"] for name in EXPORTERS)
    environment = OURS["exporter"]["environment"]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert settings.ledger == f"redis+cluster://{','.join(NODES)}"
    shared = SERVICES["exporter"]["environment"]
    assert shared.items() <= environment.items()
    assert environment.keys() - shared.keys() == {
        f"{PREFIX}LEDGER",
        f"{PREFIX}LEDGER_PASSWORD_FILE",
    }
    # Nothing is kept in the container.
    assert "volumes" not in OURS["exporter"]


def test_secrets_are_files_that_whoever_needs_them_has() -> None:
    files = {Path(one["file"]) for one in REPLICATED["secrets"].values()}
    assert {file.parent.as_posix() for file in files} == {"secrets"}
    for name in (*EXPORTERS, *NODES, "ledger-form"):
        assert "ledger-password" in OURS[name]["secrets"]
        for key, value in OURS[name]["environment"].items():
            if "TOKEN" in key or "PASSWORD" in key:
                assert key.endswith("FILE"), key
                assert Path(value).name in OURS[name]["secrets"]
                assert Path(value).parent == Path("/run/secrets")


def test_the_scripts_are_mounted_where_they_are_run() -> None:
    for name in (*NODES, "ledger-form"):
        source, target, mode = OURS[name]["volumes"][0].split(":")
        assert ((FOLDER / source).resolve(), mode) == (SCRIPTS, "ro")
        shell, script = OURS[name]["entrypoint"]
        assert (shell, Path(script).parent) == ("sh", Path(target))
        assert (SCRIPTS / Path(script).name).exists()
    for name in NODES:
        assert OURS[name]["environment"]["NODE"] == name
        assert OURS[name]["volumes"][1] == f"{name}:/data"
    assert OURS["ledger-form"]["environment"]["NODES"].split() == NODES


def test_prometheus_scrapes_all_exporters_and_is_configured_as_elsewhere() -> None:
    ours = yaml.safe_load((FOLDER / "prometheus.replicas.yml").read_text())
    other = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    targets = [
        config["scrape_configs"][0]["static_configs"][0].pop("targets") for config in (ours, other)
    ]
    assert ours == other
    assert targets[0] == [f"{name}:10401" for name in EXPORTERS]
    assert targets[1] == ["exporter:10401"]
    (mount,) = OURS["prometheus"]["volumes"]
    source, target, _ = mount.split(":")
    assert (FOLDER / source).exists()
    assert target in {one.split(":")[1] for one in SERVICES["prometheus"]["volumes"]}


def test_everything_that_is_mounted_is_in_the_repository_and_read_only() -> None:
    for name, service in OURS.items():
        for text in service.get("volumes", ()):
            source, _, *mode = text.split(":")
            if source.startswith("."):
                assert (FOLDER / source).resolve().is_relative_to(ROOT), name
                assert (FOLDER / source).exists(), source
                assert mode == ["ro"], name
            else:
                assert source in REPLICATED["volumes"], name
