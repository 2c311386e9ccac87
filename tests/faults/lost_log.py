"""Row 26 of the fault table: the log can't be written, or the greeting can't be printed."""

import contextlib
import http.client
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from exporter.names import LOG_LOST_LINES, SESSION_ENDS
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import free_port
from tests.faults.table import Missed, Mutant, patched, reached, row


def _redirected(redirection: str) -> tuple[str, ...]:
    # Buffered as in production: text that could not be written is written again at exit.
    return ("bash", "-c", f'unset PYTHONUNBUFFERED; exec "$@" {redirection}', "bash")


_STREAMS: Final = {
    "stderr's reader gone": _redirected("2> >(exit 0)"),
    "stderr closed": _redirected("2>&-"),
    "stderr on a full disk": _redirected("2>/dev/full"),
    "stdout on a full disk": _redirected(">/dev/full"),
}
"""Commands that start the exporter with a stream that cannot be written."""


def _silence(folder: Path, stream: str, rounds: int, mutant: str) -> tuple[int, ...]:
    """Run an exporter without a stream: send events, malformed bodies and a slow head, and delete its ledger.

    Returns the events accepted and counted, the bodies refused, the exit code and the number of lost lines.
    Raises `Missed` when the exporter does not start, answer or end.
    """
    ports = {"ingest": free_port(), "ops": free_port()}
    exporter = ExporterProcess(
        folder / "data",
        *("--ingest", f"127.0.0.1:{ports['ingest']}", "--ops", f"127.0.0.1:{ports['ops']}"),
        settings={"receive_timeout": 1},
        wrapper=_STREAMS[stream],
        mutant=mutant,
    )
    patience = 5.0 if mutant else 60.0

    def ready() -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return exporter.ready()
        return False

    process = exporter.launch()
    exporter.ports = ports
    try:
        wait_for(lambda: ready() or process.poll() is not None, 60.0, "a ready exporter")
        accepted = refused = 0
        for number in range(rounds):
            event = {"id": f"e-{number}", "system": "softdrive", "code": "07"}
            accepted += exporter.post(event, timeout=patience).status == 200
            refused += exporter.post(b"{", timeout=patience).status == 400
        with socket.create_connection(("127.0.0.1", ports["ingest"]), timeout=patience) as slow:
            slow.sendall(b"POST /v1/session-ends HTTP/1.1\r\nHost: a\r\n")
            while slow.recv(4096):
                pass
        counted, lost = (int(exporter.total(name)) for name in (SESSION_ENDS, LOG_LOST_LINES))
        (folder / "data" / "ledger.db").unlink()
        return accepted, counted, refused, exporter.wait(patience), lost
    except (OSError, http.client.HTTPException, subprocess.TimeoutExpired, AssertionError) as error:
        raise Missed(f"{stream}: {error!r}") from None
    finally:
        exporter.kill()


_LOG_RAISES: Final = "import sys\nfrom exporter import logs" + patched(
    "exporter.logs._Stderr.emit",
    "lambda self, record: print(logs._line(record), file=sys.stderr, flush=True)",
)
_GREETING_NEEDED: Final = patched("exporter.commands.serve.log.warning", "lambda *_, **__: 1 / 0")
_STREAM_KEPT: Final = patched("exporter.streams.release", "lambda: None")


@row(
    26,
    "log can't be written",
    "service unchanged, lines counted",
    Mutant("log calls that never raise", _LOG_RAISES, "stderr on a full disk: "),
    Mutant("release of stderr", _STREAM_KEPT, r"with \{120\}"),
    Mutant("greeting that may fail", _GREETING_NEEDED, "stdout on a full disk: "),
)
def run(folder: Path, quick: bool, mutant: str = "") -> str:
    rounds = 5 if quick else 200
    streams = list(_STREAMS)
    if mutant:
        streams = streams[3:] if "commands.serve" in mutant else streams[2:3]
    with ThreadPoolExecutor() as pool:
        runs = [
            pool.submit(_silence, folder / str(number), stream, rounds, mutant)
            for number, stream in enumerate(streams)
        ]
    results = {stream: run.result() for stream, run in zip(streams, runs, strict=True)}
    accepted, counted, refused, codes, lost = zip(*results.values(), strict=True)
    figure = (
        f"{len(results)} streams: {sum(accepted)} × 200, {sum(counted)} counted, {sum(refused)} × 400; "
        f"slow heads closed; ended with {set(codes)}; {sum(lost)} lines lost"
    )
    return reached(
        figure,
        all(
            (*others, lines > 0) == (rounds, rounds, rounds, 1, stream.startswith("stderr"))
            for stream, (*others, lines) in results.items()
        ),
    )
