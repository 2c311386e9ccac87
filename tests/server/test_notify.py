"""Messages to systemd, received by a socket like systemd's."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from exporter.ledger.contract import Status
from exporter.server.notify import report
from tests.e2e.exporter_process import ExporterProcess, wait_for

WATCHDOG = 0.4
"""Seconds; the shipped unit has 30."""
EVENT = {"id": "a", "system": "streampixel", "code": 4001}
FULL = Status(problem="the disk is full")


class Manager:
    """Reads the socket that NOTIFY_SOCKET names."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound

    def next(self, seconds: float = 30) -> list[str]:
        """The lines of the next message. Raises `TimeoutError` when none comes."""
        self._socket.settimeout(seconds)
        return self._socket.recv(4096).decode().split("\n")

    def until(self, line: str) -> list[list[str]]:
        """The messages up to the first message with `line`."""
        messages = [self.next()]
        while line not in messages[-1]:
            messages.append(self.next())
        return messages

    def is_silent(self) -> bool:
        """Whether no message comes for five times the watchdog's interval."""
        try:
            self.next(5 * WATCHDOG)
        except TimeoutError:
            return True
        return False


@pytest.fixture(params=["@{}/notify"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Manager]:
    address = request.param.format(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", str(int(WATCHDOG * 1e6)))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind("\0" + address[1:] if address.startswith("@") else address)
        yield Manager(bound)


def during_report(status: Callable[[], Status], work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` while the `status` of a listening exporter is reported."""

    async def main() -> None:
        listening, stop = asyncio.Event(), asyncio.Event()
        listening.set()
        reporting = asyncio.create_task(report(status, listening, stop))
        await work()
        stop.set()
        await asyncio.wait_for(reporting, 30)

    asyncio.run(main())


@pytest.mark.parametrize("manager", ["{}/notify"], indirect=True)
def test_service_is_ready_when_listening_and_alive_until_it_stops(
    manager: Manager, tmp_path: Path
) -> None:
    """Fails without `report` in `exporter.serve`, and when the interval ignores WATCHDOG_USEC: the default is
    10 s."""
    with ExporterProcess(tmp_path / "data") as exporter:
        (*before, first) = manager.until("READY=1")
        assert all(not {"READY=1", "STOPPING=1"} & set(lines) for lines in before)
        assert first == ["READY=1", "WATCHDOG=1", "STATUS=ready"]
        assert exporter.post(EVENT).status == exporter.request("ops", "GET", "/-/ready").status
        for _ in range(5):
            assert "WATCHDOG=1" in manager.next(5)
        exporter.terminate()
        assert manager.until("STOPPING=1")[-1] == ["STOPPING=1", "STATUS=shutting down"]
        assert exporter.wait() == 0


DEAD_WRITER = """
from exporter.ledger.sqlite import SqliteLedger
def _commit(self, items):
    raise SystemExit
SqliteLedger._commit = _commit
"""
"""The writer's thread ends at the first event."""


def test_no_watchdog_message_after_the_ledgers_writer_ended(
    manager: Manager, tmp_path: Path
) -> None:
    """Fails without `Status.alive` in `SqliteLedger.status`; /-/healthy answers the same for Kubernetes."""
    with ExporterProcess(tmp_path / "data", mutant=DEAD_WRITER) as exporter:
        manager.until("READY=1")
        assert exporter.request("ops", "GET", "/-/healthy").status == 200
        with pytest.raises(TimeoutError):
            exporter.post(EVENT, timeout=2)
        wait_for(lambda: exporter.request("ops", "GET", "/-/healthy").status == 503)
        assert exporter.request("ops", "GET", "/-/ready").status == 503
        wait_for(manager.is_silent)


def test_no_watchdog_message_while_the_event_loop_is_blocked(manager: Manager) -> None:
    """Fails when another thread sends the messages."""

    async def block() -> None:
        await asyncio.to_thread(manager.until, "READY=1")
        time.sleep(5 * WATCHDOG)  # noqa: ASYNC251
        with pytest.raises(BlockingIOError):
            manager.next(0)

    during_report(Status, block)


def test_full_disk_delays_ready_but_not_the_watchdog(manager: Manager) -> None:
    """Fails with `state.problem` in the condition on `alive`: a restart would not free any space."""
    state = FULL

    def fill_and_free() -> None:
        nonlocal state
        for _ in range(3):
            ready, *alive = manager.next()
            assert ready.startswith("EXTEND_TIMEOUT_USEC=")
            assert alive == ["WATCHDOG=1", "STATUS=the disk is full"]
        state = Status()
        assert manager.until("READY=1")[-1][-1] == "STATUS=ready"
        state = FULL
        manager.until("STATUS=the disk is full")
        for _ in range(5):
            assert manager.next() == ["READY=1", "WATCHDOG=1", "STATUS=the disk is full"]
        state = Status()
        manager.until("STATUS=ready")

    during_report(lambda: state, lambda: asyncio.to_thread(fill_and_free))


def test_report_goes_on_when_systemd_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))

    def warned() -> bool:
        return "systemd can't be notified" in caplog.messages

    during_report(Status, lambda: asyncio.to_thread(wait_for, warned))
    assert len(caplog.messages) == 2, "one at the start, one at the end"
