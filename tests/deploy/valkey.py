"""The nodes of the Cluster for a trial, which their scripts start on loopback.

Debian 12 has no Valkey: its Redis takes the same configuration and commands, under Valkey's names.
"""

import os
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from tests.e2e.exporter_process import ROOT
from tests.e2e.prometheus_process import free_port
from tests.programs import finished, output

SCRIPTS: Final = ROOT / "deploy" / "kubernetes" / "components" / "valkey-for-trying"
PASSWORD: Final = "5f1d7a84e96d3fbc"


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

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.ports = [_port() for _ in range(3)]
        for number, port in enumerate(self.ports):
            data = self.folder / str(number)
            data.mkdir(exist_ok=True)
            variables = {"NODE": "127.0.0.1", "DATA": str(data), "MAXMEMORY": "64mb"}
            command = ["sh", SCRIPTS / "node.sh", "--bind", "127.0.0.1", "--port", str(port)]
            with (self.folder / f"{number}.log").open("ab") as log:
                self._processes.append(
                    subprocess.Popen(
                        command, env=self._environment | variables, stdout=log, stderr=log
                    )
                )

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
        return self._output("sh", str(SCRIPTS / "form.sh"), NODES=nodes)

    def ask(self, number: int, *command: str) -> str:
        port = str(self.ports[number])
        return self._output("valkey-cli", "-p", port, *command, REDISCLI_AUTH=PASSWORD)

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

    def _output(self, *command: str, **variables: str) -> str:
        return output(*command, env=self._environment | variables, timeout=60)
