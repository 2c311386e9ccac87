"""Row 30 of the fault table: the disk takes no write for a while, and goes on afterwards."""

import concurrent.futures
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter import names
from tests.disk import freezable_disk, freeze, thaw
from tests.e2e.exporter_process import ExporterProcess, Reply, wait_for
from tests.faults.table import Row, reached

SENDERS = 8
UNWATCHED = """
from exporter.ledger.sqlite import SqliteLedger
SqliteLedger._hang = lambda self: None
"""
"""The mutant that waits for the disk without bound."""


def longest_write(seconds: float) -> str:
    """Python that runs before the program, for a write to count as hanging after `seconds`."""
    return f"""
from exporter.ledger.sqlite import SqliteLedger
SqliteLedger.__init__.__kwdefaults__["longest_write"] = {seconds}
"""


@dataclass(frozen=True)
class Outcome:
    """Posts of the time when the disk hung: the `statuses` of those under way and of new ones, and seconds
    until the `slowest` of the former was answered. Seconds from the thaw until the exporter was `back`;
    `counted` of `events` after all were sent again."""

    statuses: frozenset[int]
    slowest: float
    back: float
    events: int
    counted: int


def _event(number: int) -> dict[str, object]:
    return {"id": f"event-{number}", "system": "softdrive"}


def hang(
    folder: Path, seconds: float, *, patience: float, longest: float | None = None, mutant: str = ""
) -> Outcome:
    """Freeze the exporter's disk for `seconds`; its posts must be answered within `patience`.

    `longest` are the seconds after which a write hangs, when they are not the exporter's own.
    """
    if longest is not None:
        mutant = longest_write(longest) + mutant
    with (
        freezable_disk(folder / "disk") as disk,
        ExporterProcess(disk / "data", mutant=mutant, log_file=folder / "log") as exporter,
        thawed(disk),
        concurrent.futures.ThreadPoolExecutor(SENDERS) as senders,
    ):
        assert exporter.post(_event(0)).status == 200
        freeze(disk)
        began = time.monotonic()

        def post(number: int) -> tuple[Reply, float]:
            return exporter.post(_event(number)), time.monotonic() - began

        posts = [senders.submit(post, number) for number in range(1, SENDERS + 1)]
        done, late = concurrent.futures.wait(posts, timeout=patience)
        if late:
            thaw(disk)
        assert not late, f"{len(late)} posts were not answered within {patience:g} s"
        answers = [each.result() for each in done]
        ready = exporter.request("ops", "GET", "/-/ready")
        assert (ready.status, b"hangs" in ready.body) == (503, True)
        assert exporter.total(names.LEDGER_WRITABLE) == 0
        assert exporter.total("session_ends_total") == 1
        statuses = {reply.status for reply, _ in answers} | {exporter.post(_event(1)).status}
        pid = exporter.pid
        wait_for(lambda: time.monotonic() - began >= seconds, seconds + 30, "the end of the hang")
        thaw(disk)
        thawed_at = time.monotonic()
        wait_for(lambda: exporter.request("ops", "GET", "/-/ready").status == 200)
        back = time.monotonic() - thawed_at
        events = [_event(number) for number in range(SENDERS + 1)]
        for number in range(2):
            reply = exporter.post(events)
            assert reply.status == 200
            assert reply.json["duplicates"] == SENDERS + 1 or not number
        counted = int(exporter.total("session_ends_total"))
        assert exporter.total(names.LEDGER_WRITABLE) == 1

        def told() -> list[str]:
            return [
                line["event"] for line in exporter.lines() if "hangs" in str(line.get("problem"))
            ]

        wait_for(lambda: told() == ["ledger_unavailable", "ledger_recovered"], what="two lines")
        assert exporter.pid == pid
        assert exporter.stop() == 0
        slowest = max(took for _, took in answers)
        return Outcome(frozenset(statuses), slowest, back, len(events), counted)


def stop_while_it_hangs(folder: Path, longest: float) -> tuple[float, int]:
    """SIGTERM while a write hangs: seconds until the exporter had given up, and its exit code.

    A process that waits for a frozen disk is gone only after the thaw, so what it says last is waited for.
    """
    with (
        freezable_disk(folder / "disk") as disk,
        ExporterProcess(
            disk / "data",
            mutant=longest_write(longest),
            settings={"shutdown_timeout": 1},
            log_file=folder / "log",
        ) as exporter,
        thawed(disk),
        concurrent.futures.ThreadPoolExecutor(1) as sender,
    ):
        freeze(disk)
        began = time.monotonic()
        post = sender.submit(lambda: exporter.post(_event(1)).status)
        wait_for(lambda: exporter.request("ops", "GET", "/-/ready").status == 503, what="a hang")
        exporter.terminate()
        wait_for(lambda: "start again" in exporter.log, what="the last line of the log")
        seconds = time.monotonic() - began
        thaw(disk)
        code = exporter.wait()
        with contextlib.suppress(OSError):
            assert post.result(30) == 503
        exporter.start()
        assert exporter.post(_event(1)).status == 200
        assert exporter.total("session_ends_total") == 1
        assert exporter.stop() == 0
        return seconds, code


@contextlib.contextmanager
def thawed(disk: Path) -> Iterator[None]:
    """Thaw the disk when the block ends, for nothing that writes to a frozen disk can be killed."""
    try:
        yield
    finally:
        thaw(disk)


def _campaign(folder: Path, quick: bool) -> str:
    seconds = 4.0 if quick else 31.0
    found = hang(folder, seconds, patience=30.0, longest=1.0 if quick else None)
    (folder / "stop").mkdir()
    stopped, code = stop_while_it_hangs(folder / "stop", 1.0 if quick else 10.0)
    figure = (
        f"frozen for {seconds:g} s: {set(found.statuses)} after {found.slowest:.1f} s, back in "
        f"{found.back:.1f} s, {found.counted} of {found.events} counted; SIGTERM: exit {code} after "
        f"{stopped:.1f} s"
    )
    return reached(
        figure,
        found.statuses == {503}
        and found.counted == found.events
        and code == 1
        and (quick or found.slowest <= 12),
    )


ROW = Row(30, "disk hangs, fsfreeze for 31 s", "503 after 10 s, counted once", _campaign)
