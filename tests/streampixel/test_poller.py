"""The poller and its client against a local server that answers correctly, wrongly, slowly or never."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from exporter import names
from exporter.streampixel.client import StatsClient
from exporter.streampixel.live_stats import MAX_DELAY, REASONS, Poller
from tests.faulty_server import Fault, answers
from tests.server.conftest import self_signed
from tests.streampixel.stats_server import KEY, USER, StatsServer, repeats, sends

INTERVAL = 30.0
GOOD = b'{"liveUser": 7, "queueUser": 2}'


@dataclass
class Polling:
    """A poller with the test's clock; `reasons` are the reasons of its failures."""

    url: str
    projects: tuple[str, ...] = ("p1",)
    key: Callable[[], str] = lambda: KEY
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.poller = Poller(
            self.projects,
            INTERVAL,
            StatsClient(self.url, USER, self.key, timeout=10).users,
            clock=lambda: self.now,
        )
        self.registry = CollectorRegistry()
        self.registry.register(self.poller)

    @property
    def reasons(self) -> list[str]:
        values = {
            reason: self.registry.get_sample_value(
                names.LIVE_STATS_FAILURES, {"system": "streampixel", "reason": reason}
            )
            for reason in REASONS
        }
        return [reason for reason, count in values.items() for _ in range(int(count or 0))]

    def poll(self, project: int = 0, times: int = 1) -> None:
        async def poll() -> None:
            for _ in range(times):
                await self.poller.poll(self.poller.projects[project])

        asyncio.run(poll())

    def delay(self, project: int = 0) -> float:
        """Seconds until the next poll of a project."""
        return self.poller.projects[project].due - self.now

    def value(self, name: str, project: str = "p1") -> float | None:
        labels = {"system": "streampixel", "project": project}
        return self.registry.get_sample_value(name, labels)

    def users(self, project: str = "p1") -> tuple[float | None, float | None]:
        return self.value(names.LIVE_USERS, project), self.value(names.QUEUED_USERS, project)


def test_request_names_the_exporter_and_sends_no_cookies(server: StatsServer) -> None:
    polling = Polling(server.url)
    server.fault = answers(200, {"liveUser": 7, "queueUser": 2}, Set_Cookie="session=1; Path=/")
    polling.poll(times=2)
    first, second = server.headers
    assert first["user-agent"].startswith("session-end-exporter/")
    assert (first["connection"], first["accept"]) == ("close", "application/json")
    # Compressed answers would pass the size limit before they are unpacked.
    assert first["accept-encoding"] == "identity"
    assert second == first


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n"
FAULTS: dict[str, tuple[Fault, str]] = {
    "401": (answers(401, {"message": "Unauthorized: Invalid API Key"}), "unauthorized"),
    "404": (answers(404, {"message": "Project not found"}), "not_found"),
    "429": (answers(429, {"message": "Rate limit exceeded."}), "throttled"),
    "500": (answers(500, {"message": "Internal server error"}), "server_error"),
    "502": (sends(b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>"), "server_error"),
    "400": (answers(400, {"message": "projectId is required"}), "bad_answer"),
    "one count": (answers(200, {"liveUser": 7}), "bad_answer"),
    "below 0": (answers(200, {"liveUser": 7, "queueUser": -2}), "bad_answer"),
    "huge": (answers(200, {"liveUser": 1e300, "queueUser": 2}), "bad_answer"),
    "not JSON": (sends(b"HTTP/1.1 200 OK\r\n\r\n<html>"), "bad_answer"),
    "not UTF-8": (sends(b'HTTP/1.1 200 OK\r\n\r\n{"\xff": 1}'), "bad_answer"),
    "not HTTP": (sends(b"SSH-2.0-OpenSSH\r\n\r\n"), "bad_answer"),
    "flood": (repeats(b" " * 16_384, 0), "bad_answer"),
    "endless header": (sends(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000), "bad_answer"),
    "empty": (sends(b""), "bad_answer"),
    "cut": (sends(HEAD + GOOD[:9]), "bad_answer"),
    "silence": (sends(b"", hang=True), "timeout"),
    "a byte at a time": (repeats(b" ", 0.05), "timeout"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_has_a_reason_and_keeps_the_last_numbers(
    server: StatsServer, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    fault, reason = FAULTS[name]
    polling = Polling(server.url)
    polling.poll()
    if reason == "timeout":
        polling.poller.fetch = StatsClient(server.url, USER, polling.key, timeout=0.5).users
    server.faults.append(fault)
    polling.poll()
    assert polling.reasons == [reason]
    assert polling.users() == (7, 2)
    assert polling.delay() >= INTERVAL
    log = capfd.readouterr().err
    assert f'"reason": "{reason}"' in log
    assert KEY not in log
    assert "apikey" not in log


def test_every_reason_but_two_has_a_fault() -> None:
    """The tests of the certificate and of a defect have the other two."""
    assert {reason for _, reason in FAULTS.values()} == set(REASONS) - {"internal", "connection"}


def test_redirect_is_not_followed(server: StatsServer) -> None:
    """The key is part of the URL, so another server would receive the key."""
    with StatsServer() as other:
        location = f"{other.url}/projects/userStats/p1?userId={USER}&apikey={KEY}"
        server.faults.append(answers(302, {}, Location=location))
        polling = Polling(server.url)
        polling.poll()
        assert (polling.reasons, other.polled) == (["bad_answer"], [])


def test_proxies_of_the_environment_are_ignored(
    server: StatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StatsServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        polling = Polling(server.url)
        polling.poll()
        assert (polling.users(), proxy.polled) == ((7, 2), [])


def test_key_is_sent_only_to_a_trusted_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    certificate = self_signed(tmp_path)
    with StatsServer(certificate) as server:
        polling = Polling(server.url)
        polling.poll()
        assert polling.reasons == ["connection"]
        assert "CERTIFICATE_VERIFY_FAILED" in capfd.readouterr().err
        assert server.polled == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        polling = Polling(server.url)
        polling.poll()
        assert (polling.users(), polling.reasons) == ((7, 2), [])


def test_defect_is_counted_and_polling_continues(server: StatsServer) -> None:
    keys = iter([KEY])
    # The second call raises StopIteration.
    polling = Polling(server.url, key=lambda: next(keys))
    polling.poll(times=2)
    assert polling.reasons == ["internal"]
    assert polling.users() == (7, 2)


def test_no_library_logs_the_key(server: StatsServer, caplog: pytest.LogCaptureFixture) -> None:
    """httpx logs the URL of each request at INFO."""
    caplog.set_level(logging.DEBUG)
    Polling(server.url).poll()
    assert KEY not in caplog.text


SECRET = "Zm9v+YmFy/MTIz=="


@pytest.mark.parametrize(
    "fault",
    [
        answers(401, {"message": f"no such key: {SECRET}"}),
        answers(200, {"liveUser": SECRET}),
        sends(f"HTTP/1.1 {SECRET}\r\n\r\n".encode()),
    ],
    ids=["message", "field", "status line"],
)
def test_answer_that_repeats_the_key_is_not_logged(
    server: StatsServer, capfd: pytest.CaptureFixture[str], fault: Fault
) -> None:
    server.faults.append(fault)
    Polling(server.url, key=lambda: SECRET).poll()
    log = capfd.readouterr().err
    assert "live stats failed" in log
    assert "MTIz" not in log


# --- staleness -----------------------------------------------------------------------------------


def test_numbers_disappear_after_three_intervals_and_return(server: StatsServer) -> None:
    polling = Polling(server.url)
    polling.poll()
    success = polling.value(names.LIVE_STATS_SUCCESS)
    server.fault = answers(500, {})
    polling.now += 3 * INTERVAL
    polling.poll()
    assert polling.users() == (7, 2)
    polling.now += 0.1
    assert polling.users() == (None, None)
    assert polling.value(names.LIVE_STATS_SUCCESS) == success
    server.fault = None
    polling.poll()
    assert polling.users() == (7, 2)


# --- delays --------------------------------------------------------------------------------------


def test_delay_doubles_up_to_a_maximum_until_a_success(server: StatsServer) -> None:
    polling = Polling(server.url)
    server.fault = answers(500, {})
    for delay in [30, 60, 120, 240, 480, MAX_DELAY, MAX_DELAY]:
        polling.poll()
        assert delay <= polling.delay() <= 1.1 * delay
    server.fault = None
    polling.poll()
    assert polling.delay() == INTERVAL


@pytest.mark.parametrize(
    ("header", "delay"),
    [("90", 90), ("5", 30), ("999999999999", 3600), ("soon", 30), ("-5", 30), ("²", 30)],
)
def test_retry_after_is_honored_up_to_an_hour(
    server: StatsServer, header: str, delay: float
) -> None:
    server.faults.append(answers(503, {}, Retry_After=header))
    polling = Polling(server.url)
    polling.poll()
    assert polling.reasons == ["server_error"]
    assert delay <= polling.delay() <= 1.1 * delay


def test_throttling_of_one_project_delays_all(server: StatsServer) -> None:
    server.faults.append(answers(429, {}, Retry_After="120"))
    polling = Polling(server.url, ("p1", "p2", "p3"))
    polling.poll(1)
    assert min(polling.delay(project) for project in range(3)) >= 120


def test_repeated_failures_are_logged_once(
    server: StatsServer, capfd: pytest.CaptureFixture[str]
) -> None:
    polling = Polling(server.url)
    server.fault = answers(500, {})
    polling.poll(times=3)
    server.fault = None
    polling.poll()
    failed, back = capfd.readouterr().err.splitlines()
    assert '"project": "p1", "reason": "server_error", "detail": "status 500"' in failed
    assert '"event": "live stats recovered"' in back
    assert '"failures": 3' in back


def test_projects_are_polled_in_turn_once_an_interval(server: StatsServer) -> None:
    async def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        polling.now += seconds
        if len(sleeps) == 8:
            raise asyncio.CancelledError

    sleeps: list[float] = []
    polling = Polling(server.url, ("p1", "p2", "p3"))
    polling.poller.sleep = sleep
    server.counts |= {"p2": (1, 0), "p3": (0, 0)}
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(polling.poller.run())
    assert server.polled == ["p1", "p2", "p3"] * 2 + ["p1"]
    assert sleeps == [0] + [10] * 7
