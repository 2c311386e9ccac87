"""Rows 1, 10 and 39 of the fault table: the exporter or a client ends under load, by SIGKILL or SIGTERM."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from exporter import names
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for
from tests.e2e.prometheus_process import free_port
from tests.faults.senders import Load
from tests.faults.table import Missed, Mutant, patched, reached, row

# --- rows 1 and 10: the exporter -----------------------------------------------------------------

_ANSWER_FIRST: Final = """
from exporter.ledger.contract import Receipt
from exporter.ledger.sqlite import SqliteLedger
enqueue = SqliteLedger.enqueue
def early(self, batch, answered):
    self._loop.call_later(0.2, enqueue, self, batch, lambda _: None)
    self._loop.call_soon(answered, Receipt(len(batch)))
SqliteLedger.enqueue = early
"""
_COMMIT: Final = Mutant("commit before the answer", _ANSWER_FIRST, "counted")


def _end_under_load(
    folder: Path, ends: int, end: Callable[[ExporterProcess], object], mutant: str
) -> tuple[Load, str, list[float]]:
    """Returns the load, the figure of the counts, and the seconds that each end of the process took.

    Four senders post and retry while the exporter is ended `ends` times by `end`. Raises `Missed` when an
    event is lost or doubled.
    """
    seconds = []
    with ExporterProcess(folder / "data", mutant=mutant) as exporter:
        with Load([exporter]) as load:
            for _ in range(ends):
                load.wait_for_random_point()
                began = time.monotonic()
                assert end(exporter) in (None, 0)
                seconds.append(time.monotonic() - began)
                acknowledged = load.acknowledged
                exporter.start()
                counted = exporter.total(names.SESSION_ENDS)
                if not acknowledged <= counted <= load.sent:
                    raise Missed(
                        f"{acknowledged} acknowledged, {counted} counted, {load.sent} sent"
                    )
        counted = int(exporter.total(names.SESSION_ENDS))
    return load, reached(f"{counted:,} counted", counted == load.sent), seconds


@row(1, "kill -9 under load", "500 kills, nothing lost or doubled", _COMMIT)
def kill(folder: Path, quick: bool, mutant: str = "") -> str:
    kills = 2 if mutant else 3 if quick else 500
    load, counted, ends = _end_under_load(folder, kills, ExporterProcess.kill, mutant)
    assert load.retries, "the kills hit nothing"
    return f"{len(ends)} kills, {load.sent:,} events, {load.retries:,} retries, {counted}"


@row(10, "SIGTERM under load", "100 × ≤ 5 s, nothing lost or doubled", _COMMIT)
def stop(folder: Path, quick: bool, mutant: str = "") -> str:
    load, counted, ends = _end_under_load(folder, 2 if quick else 100, ExporterProcess.stop, mutant)
    figure = f"{len(ends)} stops, {load.sent:,} events, {counted}, slowest {max(ends):.2f} s"
    return reached(figure, quick or max(ends) <= 5)


# --- row 39: a client with the OpenTelemetry SDK -------------------------------------------------

_UNKEYED: Final = patched("exporter.ingest.keys.xxh3_128_digest", "lambda *_: os.urandom(16)")


class Client:
    """An application with the OpenTelemetry SDK, started again after each kill."""

    def __init__(self, port: int, folder: Path) -> None:
        self._journal = folder / "believed"
        self._log = folder / "client.log"
        endpoint = f"http://127.0.0.1:{port}{names.LOGS_PATH}"
        self._command = [sys.executable, "-m", "tests.faults.otlp_client", endpoint]
        self.start()

    def start(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*self._command, str(self._journal)], cwd=ROOT, stderr=log
            )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def finish(self) -> None:
        """Stop the application, and wait until it believes that every record is delivered."""
        self._process.terminate()
        assert self._process.wait(120) == 0, self._log.read_text()[-2000:]

    def wait_for_delivery(self) -> None:
        """Wait until the application believes a further record delivered."""
        before = self.believed
        wait_for(lambda: self.believed > before, what="delivered records")

    @property
    def believed(self) -> int:
        """The number of records that the application believes delivered."""
        text = self._journal.read_text() if self._journal.exists() else ""
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
    flags = ("--ingest", f"127.0.0.1:{port}")
    with ExporterProcess(folder / "data", *flags, mutant=mutant) as exporter:
        client = Client(port, folder)
        try:
            for number in range(kills):
                client.wait_for_delivery()
                time.sleep(rng.uniform(0.0, 0.1))  # a random point in the work of both
                if number % 2:
                    client.kill()
                    client.start()
                else:
                    exporter.kill()
                    exporter.start()
            client.wait_for_delivery()
            client.finish()
            believed = client.believed
        finally:
            client.kill()
        counted = int(exporter.total(names.SESSION_ENDS))
    figure = f"{kills} kills, {believed:,} records believed delivered, {counted:,} counted"
    return reached(figure, counted == believed)
