"""Row 39 of the fault table: the exporter and a client with the OpenTelemetry SDK are killed under load."""

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from exporter.names import LOGS_PATH
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for
from tests.e2e.prometheus_process import free_port
from tests.faults.table import Mutant, patched, reached, row

_UNKEYED: Final = patched("exporter.ingest.keys.xxh3_128_digest", "lambda *_: os.urandom(16)")


class Client:
    """An application with the OpenTelemetry SDK, started again after each kill."""

    def __init__(self, port: int, folder: Path) -> None:
        self.journal = folder / "believed"
        self._log = folder / "client.log"
        endpoint = f"http://127.0.0.1:{port}{LOGS_PATH}"
        self._command = [sys.executable, "-m", "tests.faults.otlp_client", endpoint]
        self.start()

    def start(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*self._command, str(self.journal)], cwd=ROOT, stderr=log
            )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def finish(self) -> None:
        """Stop the application, and wait until it believes that every record is delivered."""
        self._process.terminate()
        assert self._process.wait(120) == 0, self._log.read_text()[-2000:]

    @property
    def believed(self) -> int:
        """The number of records that the application believes delivered."""
        text = self.journal.read_text() if self.journal.exists() else ""
        return len({word for line in text.split("\n")[:-1] for word in line.split()})


@row(
    39,
    "kill -9 of exporter and OTLP client",
    "100 kills, nothing lost or doubled",
    Mutant("ids of records", "import os\n" + _UNKEYED, "counted"),
)
def otlp_kills(folder: Path, quick: bool, mutant: str = "") -> str:
    """Every record that the SDK believes delivered counts once, whichever process is killed."""
    rng = random.Random(1)
    port = free_port()
    kills = 2 if quick else 100
    exporter = ExporterProcess(folder / "data", "--ingest", f"127.0.0.1:{port}", mutant=mutant)
    with exporter:
        client = Client(port, folder)
        try:
            for number in range(kills):
                goal = client.believed + 1
                wait_for(lambda goal=goal: client.believed >= goal, what="delivered records")
                time.sleep(rng.uniform(0.0, 0.1))  # a random point in the work of both
                if number % 2:
                    client.kill()
                    client.start()
                else:
                    exporter.kill()
                    exporter.start()
            goal = client.believed + 1
            wait_for(lambda: client.believed >= goal, what="delivered records")
            client.finish()
            believed = client.believed
        finally:
            client.kill()
        counted = int(exporter.total("session_ends_total"))
    figure = f"{kills} kills, {believed:,} records believed delivered, {counted:,} counted"
    return reached(figure, counted == believed)
