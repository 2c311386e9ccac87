"""Row 26 of the fault table: the log can't be written, or the greeting can't be printed."""

import contextlib
import http.client
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import free_port
from tests.faults.table import Row, reached


def _redirected(how: str) -> tuple[str, ...]:
    # Buffered as in production: what could not be written is written again at exit.
    return ("bash", "-c", f'unset PYTHONUNBUFFERED; exec "$@" {how}', "bash")


STREAMS = {
    "stderr's reader gone": _redirected("2> >(exit 0)"),
    "stderr closed": _redirected("2>&-"),
    "stderr on a full disk": _redirected("2>/dev/full"),
    "stdout on a full disk": _redirected(">/dev/full"),
}
"""Commands in front of the exporter that take a stream from it."""
LOG_RAISES = """
from exporter import logs
def _emit(level, event, name, fields):
    import structlog
    getattr(structlog.get_logger(), level)(event, logger=name, **fields)
logs._emit = _emit
"""
STATE_LAST = """
from exporter.ledger import sqlite
class Log:
    def error(self, event, **fields):
        raise OSError("log not written")
sqlite.log = Log()
def _break(self, error):
    sqlite.log.error("ledger_broken", problem=str(error))
    self._problem, self._broken = str(error), True
    self._call(self._on_broken)
sqlite.SqliteLedger._break = _break
"""
STREAM_KEPT = """
from exporter import streams
streams.release = lambda: None
"""
GREETING_NEEDED = """
from exporter import announce
def warning(*_, **__):
    raise OSError("greeting not printed")
announce.log.warning = warning
"""
RECEIVE_TIMEOUT = 1


@dataclass(frozen=True)
class Silent:
    """What an exporter without a log did: `accepted` events and as many `counted`, `refused` requests
    answered, seconds until a slow head was closed and until it `ended` once its ledger was gone, with
    `code`; and how many log lines it says were `lost`."""

    accepted: int
    counted: int
    refused: int
    closed: float
    lost: int
    ended: float
    code: int


def silence(folder: Path, stream: str, rounds: int, mutant: str = "") -> Silent:
    """Run an exporter without a stream, refuse, be slow, take its ledger away.

    AssertionError when it does not start, does not answer, or does not end.
    """
    ports = {"ingest": free_port(), "ops": free_port()}
    exporter = ExporterProcess(
        folder / "data",
        *("--ingest", f"127.0.0.1:{ports['ingest']}", "--ops", f"127.0.0.1:{ports['ops']}"),
        settings={"receive_timeout": RECEIVE_TIMEOUT},
        wrapper=STREAMS[stream],
        mutant=mutant,
    )
    patience = 10.0 if mutant else 60.0
    try:
        exporter.launch()
        exporter.ports = ports
        wait_for(lambda: _ready(exporter), patience, "ready")
        accepted = refused = 0
        for number in range(rounds):
            event = {"id": f"e-{number}", "system": "softdrive", "code": "07"}
            accepted += exporter.post(event, timeout=patience).status == 200
            refused += _malformed(exporter, patience) == 400
        closed = _slow_head(ports["ingest"], patience)
        counted = int(exporter.total("session_ends_total"))
        lost = int(exporter.total("session_exporter_log_lost_lines_total"))
        began = time.monotonic()
        (folder / "data" / "ledger.db").unlink()
        code = exporter.wait(patience)
        return Silent(accepted, counted, refused, closed, lost, time.monotonic() - began, code)
    except (OSError, http.client.HTTPException, subprocess.TimeoutExpired) as error:
        raise AssertionError(f"{stream}: {error!r}") from None
    finally:
        exporter.kill()


def _ready(exporter: ExporterProcess) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return exporter.request("ops", "GET", "/-/ready").status == 200
    return False


def _malformed(exporter: ExporterProcess, patience: float) -> int:
    headers = {"Content-Type": "application/json"}
    return exporter.request("ingest", "POST", "/v1/session-ends", b"{", headers, patience).status


def _slow_head(port: int, patience: float) -> float:
    """Seconds until a head that never ends is answered or closed."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as slow:
        slow.sendall(b"POST /v1/session-ends HTTP/1.1\r\nHost: a\r\n")
        while slow.recv(4096):
            pass
    return time.monotonic() - began


def _campaign(folder: Path, quick: bool) -> str:
    rounds = 5 if quick else 200
    found = {}
    for number, stream in enumerate(STREAMS):
        place = folder / str(number)
        place.mkdir()
        found[stream] = silence(place, stream, rounds)
    ends = list(found.values())
    figure = (
        f"{len(found)} streams: {sum(each.accepted for each in ends)} × 200, "
        f"{sum(each.counted for each in ends)} counted, {sum(each.refused for each in ends)} × 400; slow "
        f"heads closed in {max(each.closed for each in ends):.1f} s, ended in "
        f"{max(each.ended for each in ends):.1f} s; {sum(each.lost for each in ends)} lines lost"
    )
    return reached(
        figure,
        all(
            (each.accepted, each.counted, each.refused, each.code) == (rounds, rounds, rounds, 1)
            and each.lost > 0
            for stream, each in found.items()
            if stream.startswith("stderr")
        )
        and found["stdout on a full disk"].accepted == rounds,
    )


ROW = Row(26, "log can't be written", "service unchanged, lines counted", _campaign)
