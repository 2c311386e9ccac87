"""The scripts of the Cluster for a trial, with real servers on loopback.

Debian 12 has no Valkey: its Redis takes the same configuration and commands, under Valkey's names.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest
import redis
import yaml

from exporter import names
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for
from tests.e2e.prometheus_process import free_port
from tests.programs import finished, output

SCRIPTS = ROOT / "deploy/kubernetes/components/valkey-for-trying"
PASSWORD = "5f1d7a84e96d3fbc"


def _port() -> int:
    """A free port for which the port of the cluster bus, 10,000 above it, is free too."""
    while True:
        port = free_port()
        with socket.socket() as bus, suppress(OSError, OverflowError):
            bus.bind(("127.0.0.1", port + 10_000))
            return port


class Nodes:
    """Three nodes. Each `start` gives them other ports, as Kubernetes gives pods other addresses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.password_file = folder / "password"
        self.password_file.write_text(f"{PASSWORD}\n")
        self.ports: list[int] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        programs = folder / "bin"
        programs.mkdir()
        for name in ("server", "cli"):
            (programs / f"valkey-{name}").symlink_to(f"/usr/bin/redis-{name}")
        self._environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PASSWORD_FILE": str(self.password_file),
        }

    def start(self) -> Self:
        self.ports = [_port() for _ in range(3)]
        for number, port in enumerate(self.ports):
            data = self.folder / str(number)
            data.mkdir(exist_ok=True)
            variables = {"NODE": "127.0.0.1", "DATA": str(data), "MAXMEMORY": "64mb"}
            command = ["sh", SCRIPTS / "node.sh", "--bind", "127.0.0.1", "--port", str(port)]
            environment = self._environment | variables
            with (self.folder / f"{number}.log").open("ab") as log:
                process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            self._processes.append(process)
        return self

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait()
        self._processes = []

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def form(self) -> str:
        """The output of form.sh for these nodes."""
        nodes = " ".join(f"127.0.0.1:{port}" for port in self.ports)
        environment = self._environment | {"NODES": nodes}
        return output("sh", SCRIPTS / "form.sh", env=environment, timeout=60)

    def probe(self, command: str) -> bool:
        """Whether a probe, a command for a shell, succeeds on the first node."""
        command = command.replace("valkey-cli", f"valkey-cli -p {self.ports[0]}")
        command = command.replace("/secrets/password", str(self.password_file))
        return finished("sh", "-c", command, env=self._environment).returncode == 0

    def command_lines(self) -> str:
        """Arguments and variables of the processes."""
        return "".join(
            Path(f"/proc/{process.pid}/{name}").read_text()
            for process in self._processes
            for name in ("cmdline", "environ")
        )


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with Nodes(tmp_path_factory.mktemp("nodes")) as nodes:
        nodes.form()
        yield nodes


def count(nodes: Nodes, folder: Path, event: str) -> float:
    """The ledger's count of 4001 after a new exporter has received an event with this id."""
    settings = {
        "ledger": nodes.url,
        "ledger_password_file": str(nodes.password_file),
        # On a busy machine a node may stall for longer than the default second.
        "ledger_timeout": 10,
    }
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
    with redis.Redis(port=nodes.ports[0], password=PASSWORD, decode_responses=True) as client:
        assert expected.items() <= client.config_get().items()


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
