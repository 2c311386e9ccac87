"""The scripts of the Cluster for a trial, with real servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter import names
from tests.deploy.valkey import PASSWORD, SCRIPTS, Nodes
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with Nodes(tmp_path_factory.mktemp("nodes")) as nodes:
        nodes.form()
        yield nodes


def count(nodes: Nodes, folder: Path, event: str) -> float:
    """The ledger's count of 4001 after a new exporter has received an event with this id."""
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
    expected = {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "maxmemory": str(64 * 1024**2),
        "cluster-preferred-endpoint-type": "hostname",
        "cluster-announce-hostname": "127.0.0.1",
        "requirepass": PASSWORD,
        "masterauth": PASSWORD,
    }
    assert expected.items() <= settings.items()


def test_password_is_in_no_command_line(nodes: Nodes) -> None:
    assert PASSWORD not in nodes.command_lines()
    assert "valkey-server" in nodes.command_lines()


def test_probes_report_node_and_cluster_state(tmp_path: Path) -> None:
    manifest = yaml.safe_load((SCRIPTS / "statefulset.yaml").read_text())
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    startup, liveness, readiness = (
        container[f"{name}Probe"]["exec"]["command"][2]
        for name in ("startup", "liveness", "readiness")
    )
    compose = yaml.safe_load((ROOT / "deploy/compose/compose.replicas.yaml").read_text())
    check = compose["services"]["ledger-1"]["healthcheck"]["test"][1].replace("$$", "$")
    assert check.replace("/run/secrets/ledger-password", "/secrets/password") == readiness
    with Nodes(tmp_path) as nodes:
        wait_for(lambda: nodes.probe(startup), what="a node that answers")
        assert nodes.probe(liveness)
        assert not nodes.probe(readiness)
        nodes.form()
        assert nodes.probe(readiness)
        nodes.stop()
        assert not nodes.probe(liveness)
