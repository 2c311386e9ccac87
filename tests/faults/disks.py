"""Rows 5 and 30 of the fault table: the disk is full for a while, or takes no write for a while."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

from exporter import names
from tests.disk import fill, freezable_disk, freeze, small_disk, thaw
from tests.e2e.exporter_process import ExporterProcess, Reply, wait_for
from tests.faults.senders import ends
from tests.faults.table import Missed, Mutant, patched, reached, row

_SENDERS: Final = 8


# --- row 5: a full disk --------------------------------------------------------------------------


def _fill_and_free(folder: Path, mutant: str) -> float:
    """Fill an exporter's disk, then free it: the seconds until an event is accepted again."""
    folder.mkdir()
    settings = {"dedup_window_ids": 2000}
    with (
        small_disk(folder / "disk") as disk,
        ExporterProcess(
            disk / "data", settings=settings, mutant=mutant, log_file=folder / "log"
        ) as exporter,
    ):
        assert exporter.post(ends("event", 0, 500)).status == 200
        filler = fill(disk)
        taken = 500

        def refusal() -> Reply | None:
            nonlocal taken
            reply = exporter.post(ends("event", taken, 500))
            if reply.status == 200:
                taken += 500
                return None
            return reply

        reply = wait_for(refusal, what="a refusal for a full disk")
        assert (reply.status, int(reply.headers["Retry-After"]) > 0) == (503, True)
        if "is full" not in reply.json["detail"]:
            raise Missed(f"the detail of the 503: {reply.json['detail']}")
        ready = exporter.request("ops", "GET", "/-/ready")
        assert (ready.status, b"full" in ready.body) == (503, True)
        assert exporter.total(names.SESSION_ENDS) == taken
        assert exporter.total(names.LEDGER_WRITABLE) == 0
        assert exporter.total(names.COMMIT_FAILURES) >= 1
        pid = exporter.pid
        filler.unlink()
        began = time.monotonic()
        retry = ends("event", taken, 500)
        wait_for(lambda: exporter.post(retry).status == 200, what="an accepted retry")
        seconds = time.monotonic() - began
        assert exporter.ready()
        assert exporter.post(retry).json["duplicates"] == 500
        assert exporter.total(names.SESSION_ENDS) == taken + 500
        assert (exporter.pid, exporter.stop()) == (pid, 0)
    return seconds


_FULL_IS_FATAL: Final = """
import apsw
from exporter.ledger.store import Store
write = Store.write
def fatal(*given):
    try:
        return write(*given)
    except apsw.FullError as error:
        raise OSError("disk") from error
Store.write = fatal
"""


@row(
    5,
    "disk full, 8 MiB tmpfs",
    "503; back < 5 s, no restart",
    Mutant("recovery without a restart", _FULL_IS_FATAL, "the ledger failed: OSError"),
)
def full(folder: Path, quick: bool, mutant: str = "") -> str:
    seconds = [_fill_and_free(folder / str(n), mutant) for n in range(1 if quick else 10)]
    figure = f"filled {len(seconds)} × and each time back within {max(seconds):.1f} s"
    return reached(figure, quick or max(seconds) < 5)


# --- row 30: a disk that hangs ---------------------------------------------------------------------


_LONGEST_WRITE: Final = patched("exporter.ledger.sqlite.LONGEST_WRITE", "1")
"""Quick versions: a write hangs after 1 s instead of 10."""
_INTERPRETER_ENDS: Final = """
import atexit, sys
atexit.register(print, "the interpreter ends", file=sys.stderr)
"""
_SYS_EXIT: Final = "\nimport os, sys\nos._exit = sys.exit\n"
_UNWATCHED: Final = patched("exporter.ledger.sqlite.SqliteLedger._hang", "lambda self: None")


@row(
    30,
    "disk hangs, fsfreeze for 31 s",
    "503 after 10 s, counted once",
    Mutant("bound on a write", _UNWATCHED, "8 posts were not answered"),
    Mutant("end at once", _SYS_EXIT, "after an orderly end"),
)
def hanging(folder: Path, quick: bool, mutant: str = "") -> str:
    """Freeze the disk for 31 s (quick: 2 s) while events arrive, and later freeze it before SIGTERM."""
    seconds, patience = 2 if quick else 31, 5.0 if mutant else 30.0
    with (
        freezable_disk(folder / "disk") as disk,
        ExporterProcess(
            disk / "data",
            settings={"shutdown_timeout": 1},
            mutant=(_LONGEST_WRITE if quick else "") + _INTERPRETER_ENDS + mutant,
            log_file=folder / "log",
        ) as exporter,
        ThreadPoolExecutor(_SENDERS) as senders,
        contextlib.ExitStack() as thawed,
    ):
        # This runs before the exporter's exit: a process that waits for a frozen disk cannot be killed.
        thawed.callback(thaw, disk)
        assert exporter.post(ends("event", 0, 1)).status == 200
        freeze(disk)
        began = time.monotonic()

        def post(number: int) -> tuple[int, float]:
            return exporter.post(ends("event", number, 1)).status, time.monotonic() - began

        posts = [senders.submit(post, number) for number in range(1, _SENDERS + 1)]
        done, late = wait(posts, timeout=patience)
        if late:
            raise Missed(f"{len(late)} posts were not answered within {patience:g} s")
        ready = exporter.request("ops", "GET", "/-/ready")
        assert (ready.status, b"hangs" in ready.body) == (503, True)
        assert exporter.total(names.LEDGER_WRITABLE) == 0
        assert exporter.total(names.SESSION_ENDS) == 1
        statuses = {each.result()[0] for each in done} | {exporter.post(ends("event", 1, 1)).status}
        slowest = max(each.result()[1] for each in done)
        pid = exporter.pid
        wait_for(lambda: time.monotonic() - began >= seconds, seconds + 30, "the end of the hang")
        thaw(disk)
        began = time.monotonic()
        wait_for(exporter.ready, what="readiness after the thaw")
        back = time.monotonic() - began
        events = ends("event", 0, _SENDERS + 1)
        assert exporter.post(events).status == 200
        assert exporter.post(events).json["duplicates"] == len(events)
        counted = int(exporter.total(names.SESSION_ENDS))
        assert exporter.total(names.LEDGER_WRITABLE) == 1
        assert exporter.pid == pid

        def logged() -> bool:
            problems = [line for line in exporter.lines() if "hangs" in str(line.get("problem"))]
            expected = ["ledger_unavailable", "ledger_recovered"]
            return [line["event"] for line in problems] == expected

        wait_for(logged, what="two log lines")

        # The process can end only after the thaw: its last log line shows when it gave up.
        freeze(disk)
        began = time.monotonic()
        last = senders.submit(post, len(events))
        wait_for(lambda: not exporter.ready(), what="a hang")
        exporter.terminate()
        wait_for(
            lambda: "restart the exporter: it reads" in exporter.log,
            what="the last line of the log",
        )
        ended = time.monotonic() - began
        thaw(disk)
        code = str(exporter.wait())
        # The interpreter sometimes crashes at exit with a thread that waited for the disk.
        if "the interpreter ends" in exporter.log:
            code += " after an orderly end"
        with contextlib.suppress(OSError):
            assert last.result(30)[0] == 503
        exporter.start()
        assert exporter.post(ends("event", 0, len(events) + 1)).status == 200
        assert exporter.total(names.SESSION_ENDS) == len(events) + 1
        assert exporter.stop() == 0
    figure = (
        f"frozen for {seconds:g} s: {statuses} after {slowest:.1f} s, back in {back:.1f} s, {counted} of "
        f"{len(events)} counted; SIGTERM: given up after {ended:.1f} s, exit {code}"
    )
    holds = (statuses, counted, code) == ({503}, len(events), "1")
    return reached(figure, holds and (quick or slowest <= 12))
