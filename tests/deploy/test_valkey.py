"""The scripts of the Cluster for trying, with real servers: it forms, counts, and is found again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter import names
from tests.deploy.valkey import PASSWORD, SCRIPTS, Nodes
from tests.e2e.exporter_process import ExporterProcess, wait_for


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with Nodes(tmp_path_factory.mktemp("nodes")) as found:
        found.form()
        yield found


def count(nodes: Nodes, folder: Path, event: str) -> float:
    """Post a 4001 with this id to a new exporter: how many the ledger has then."""
    settings = {"ledger": nodes.url, "ledger_password_file": str(nodes.password_file)}
    with ExporterProcess(folder / event, settings=settings) as exporter:
        reply = exporter.post({"id": event, "system": "streampixel", "code": 4001})
        assert reply.json["accepted"] == 1
        assert exporter.request("ops", "GET", names.READY_PATH).status == 200
        return exporter.total(names.SESSION_ENDS, code="4001")


def test_cluster_keeps_counts_after_all_nodes_change_addresses(
    nodes: Nodes, tmp_path: Path
) -> None:
    assert count(nodes, tmp_path, "a") == 1
    # Again, as after each `docker compose up`.
    assert "takes writes" in nodes.form()
    nodes.stop()
    nodes.start()
    assert "takes writes" in nodes.form()
    assert count(nodes, tmp_path, "b") == 2


def test_node_has_the_settings_of_a_durable_ledger(nodes: Nodes) -> None:
    config = nodes.ask(0, "CONFIG", "GET", "*").splitlines()
    settings = dict(zip(config[::2], config[1::2], strict=True))
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "always"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["maxmemory"] == str(64 * 1024**2)
    assert settings["cluster-preferred-endpoint-type"] == "hostname"
    assert settings["cluster-announce-hostname"] == "127.0.0.1"
    assert settings["requirepass"] == settings["masterauth"] == PASSWORD


def test_password_is_in_no_command_line(nodes: Nodes) -> None:
    assert PASSWORD not in nodes.command_lines()
    assert "valkey-server" in nodes.command_lines()


def test_probes_report_node_and_cluster_state(tmp_path: Path) -> None:
    set_ = yaml.safe_load((SCRIPTS / "statefulset.yaml").read_text())
    (container,) = set_["spec"]["template"]["spec"]["containers"]
    probes = {
        name: container[f"{name}Probe"]["exec"]["command"][2]
        for name in ("startup", "liveness", "readiness")
    }
    compose = yaml.safe_load((SCRIPTS.parents[2] / "compose/compose.replicas.yaml").read_text())
    check = compose["services"]["ledger-1"]["healthcheck"]["test"][1]
    check = check.replace("$$", "$").replace("/run/secrets/ledger-password", "/secrets/password")
    assert check == probes["readiness"]
    with Nodes(tmp_path) as nodes:
        wait_for(lambda: nodes.shell(probes["startup"], 0) == 0, what="a node that answers")
        assert nodes.shell(probes["liveness"], 0) == 0
        assert nodes.shell(probes["readiness"], 0) != 0
        nodes.form()
        assert nodes.shell(probes["readiness"], 0) == 0
        nodes.stop()
        assert nodes.shell(probes["liveness"], 0) != 0
