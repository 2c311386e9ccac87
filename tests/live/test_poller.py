"""One poller against a local server that answers as documented, wrongly, slowly or not at all."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from exporter import names
from exporter.live.client import Client
from exporter.live.collector import LiveCollector
from exporter.live.failures import REASONS
from exporter.live.poller import Poller, questions
from exporter.live.project import LONGEST_PAUSE
from tests.live.vendor import KEY, USER, Fault, Vendor, drips, floods, hangs, says, sends

INTERVAL = 30.0
GOOD = b'{"liveUser": 7, "queueUser": 2}'


@dataclass
class Told:
    """A poller whose clock is the test's; `reasons` are its failures."""

    url: str
    projects: tuple[str, ...] = ("p1",)
    key: Callable[[], str] = lambda: KEY
    now: float = 1000.0
    reasons: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    enough: int = 0
    timeout: float = 10.0

    def __post_init__(self) -> None:
        self.poller = Poller(
            self.projects,
            INTERVAL,
            Client(self.url, self.timeout),
            questions(self.url, USER, self.key),
            self.reasons.append,
            clock=lambda: self.now,
            wall=lambda: self.now + 1_000_000,
            jitter=lambda: 0.0,
            sleep=self._sleep,
        )
        self.registry = CollectorRegistry()
        self.registry.register(LiveCollector(self.poller))

    async def _sleep(self, seconds: float) -> None:
        """Time passes here and nowhere else."""
        self.slept.append(seconds)
        self.now += seconds
        if len(self.slept) >= self.enough:
            raise asyncio.CancelledError

    def ask(self, place: int = 0) -> None:
        asyncio.run(self.poller.poll(self.poller.projects[place]))

    def due(self, place: int = 0) -> float:
        """Seconds until the next question about a project."""
        return self.poller.projects[place].due - self.now

    def value(self, name: str, project: str = "p1") -> float | None:
        labels = {"system": "streampixel", "project": project}
        return self.registry.get_sample_value(name, labels)

    def users(self, project: str = "p1") -> tuple[float | None, float | None]:
        return self.value(names.LIVE_USERS, project), self.value(names.QUEUED_USERS, project)


def test_the_documented_answer_becomes_two_gauges_and_a_time(server: Vendor) -> None:
    told = Told(server.url)
    assert told.users() == (None, None)
    assert told.value(names.LIVE_STATS_SUCCESS) == 0
    told.ask()
    assert told.users() == (7, 2)
    assert told.value(names.LIVE_STATS_SUCCESS) == 1_001_000
    assert told.reasons == []
    assert told.due() == INTERVAL


def test_a_question_is_one_get_that_says_who_asks_and_ends_its_connection(server: Vendor) -> None:
    Told(server.url).ask()
    (headers,) = server.headers
    assert headers["user-agent"].startswith("session-end-exporter/")
    assert (headers["connection"], headers["accept"]) == ("close", "application/json")
    assert headers["host"] == f"127.0.0.1:{server.server_address[1]}"


def test_ids_and_keys_are_escaped_in_the_question(server: Vendor) -> None:
    server.key = "a&b=c d%20"
    told = Told(server.url, key=lambda: server.key)
    told.ask()
    assert told.users() == (7, 2)


@pytest.mark.parametrize(
    "given",
    [
        b"HTTP/1.0 200 OK\r\n\r\n" + GOOD,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f\r\n" + GOOD + b"\r\n0\r\n\r\n",
        b'HTTP/1.1 200 OK\r\n\r\n{"queueUser": 2, "liveUser": 7.0, "region": {"eu": 7}}',
    ],
    ids=["until the end", "chunked", "with more fields"],
)
def test_other_ways_to_say_the_same_are_read(server: Vendor, given: bytes) -> None:
    server.faults.append(sends(given))
    told = Told(server.url)
    told.ask()
    assert (told.users(), told.reasons) == ((7, 2), [])


WRONG: dict[str, tuple[Fault, str]] = {
    "invalid key": (says(401, {"message": "Unauthorized: Invalid API Key"}), "unauthorized"),
    "somebody else's": (says(403, {"message": "Access denied"}), "unauthorized"),
    "no such project": (says(404, {"message": "Project not found"}), "not_found"),
    "too often": (says(429, {"message": "Rate limit exceeded."}), "throttled"),
    "its defect": (says(500, {"message": "Internal server error"}), "server_error"),
    "its proxy": (sends(b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>"), "server_error"),
    "missing parameter": (says(400, {"message": "projectId is required"}), "bad_answer"),
    "a redirect": (says(302, {}, Location="http://127.0.0.1:1/"), "bad_answer"),
    "no counts": (says(200, {"message": "ok"}), "bad_answer"),
    "one count": (says(200, {"liveUser": 7}), "bad_answer"),
    "a text": (says(200, {"liveUser": "7", "queueUser": 2}), "bad_answer"),
    "nothing": (says(200, {"liveUser": 7, "queueUser": None}), "bad_answer"),
    "below 0": (says(200, {"liveUser": 7, "queueUser": -2}), "bad_answer"),
    "beyond belief": (says(200, {"liveUser": 1e300, "queueUser": 2}), "bad_answer"),
    "a list": (says(200, [7, 2]), "bad_answer"),
    "not JSON": (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"), "bad_answer"),
    "no UTF-8": (sends(b'HTTP/1.1 200 OK\r\n\r\n{"\xff": 1}'), "bad_answer"),
    "no HTTP": (sends(b"SSH-2.0-OpenSSH\r\n"), "bad_answer"),
    "empty": (sends(b""), "connection"),
    "cut": (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n" + GOOD[:9]), "connection"),
    "endless": (floods, "bad_answer"),
    "silence": (hangs(), "timeout"),
    "half an answer": (hangs(b"HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n{"), "timeout"),
    "a byte now and then": (drips, "timeout"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_or_slow_answer_has_a_reason_and_leaves_what_is_known(
    server: Vendor, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The drip fails without a deadline for the whole answer: each wait alone is short."""
    fault, reason = WRONG[name]
    told = Told(server.url, timeout=2.0 if reason == "timeout" else 10.0)
    told.ask()
    server.faults.append(fault)
    told.now += INTERVAL
    told.ask()
    assert told.reasons == [reason]
    assert told.users() == (7, 2)
    assert told.value(names.LIVE_STATS_SUCCESS) == 1_001_000
    assert told.due() >= INTERVAL
    logged = capfd.readouterr().err
    assert f'"reason": "{reason}"' in logged
    assert KEY not in logged
    assert "apikey" not in logged


def test_every_reason_but_that_of_a_defect_comes_about() -> None:
    assert {reason for _, reason in WRONG.values()} == set(REASONS) - {"internal"}


def test_a_server_that_is_not_there_is_a_failed_connection() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        told = Told(f"http://127.0.0.1:{taken.getsockname()[1]}")
        told.ask()
    assert told.reasons == ["connection"]


def test_a_certificate_that_nobody_vouches_for_is_a_failed_connection(
    over_tls: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is not sent to whoever answers."""
    told = Told(over_tls.url)
    told.ask()
    assert told.reasons == ["connection"]
    assert over_tls.asked == []
    monkeypatch.setenv("SSL_CERT_FILE", over_tls.certificate)
    trusting = Told(over_tls.url)
    trusting.ask()
    assert (trusting.users(), trusting.reasons) == ((7, 2), [])


def test_a_defect_is_counted_and_the_next_question_is_asked(server: Vendor) -> None:
    keys = iter([KEY])

    def key() -> str:
        for one in keys:
            return one
        raise RuntimeError("nobody thought of this")

    told = Told(server.url, key=key)
    told.ask()
    told.ask()
    assert told.reasons == ["internal"]
    assert told.users() == (7, 2)


def test_a_message_that_repeats_the_key_is_logged_without_it(
    server: Vendor, capfd: pytest.CaptureFixture[str]
) -> None:
    """Fails without the black: the vendor's own text is logged, and it may quote what it was sent."""
    server.faults.append(says(401, {"message": f"no such key: {KEY}"}))
    server.faults.append(says(200, {"liveUser": KEY}))
    told = Told(server.url)
    told.ask()
    told.ask()
    logged = capfd.readouterr().err
    assert "status 401: no such key: ***" in logged
    assert KEY not in logged


@pytest.mark.parametrize(
    "said",
    [
        "Zm9v+YmFy/MTIz==",
        "Zm9v%2BYmFy%2FMTIz%3D%3D",
        "Zm9v%2bYmFy%2fMTIz%3d%3d",
        "Zm9v%2BYmFy/MTIz==",
    ],
)
def test_an_address_that_is_said_back_is_logged_without_the_key(
    server: Vendor, capfd: pytest.CaptureFixture[str], said: str
) -> None:
    """Fails when the key is looked for as it is in its file: in an address its signs are escaped."""
    server.faults.append(says(404, {"message": f"Cannot GET /projects?userId=u&apikey={said}&x=1"}))
    Told(server.url, key=lambda: "Zm9v+YmFy/MTIz==").ask()
    logged = capfd.readouterr().err
    assert "Cannot GET /projects?userId=u&apikey=***&x=1" in logged
    assert "MTIz" not in logged


# --- staleness -----------------------------------------------------------------------------------


def test_counts_vanish_after_three_intervals_without_news_and_come_back(server: Vendor) -> None:
    told = Told(server.url)
    told.ask()
    server.always = says(500, {})
    told.now += 3 * INTERVAL
    told.ask()
    assert told.users() == (7, 2)
    told.now += 0.1
    assert told.users() == (None, None)
    assert told.value(names.LIVE_STATS_SUCCESS) == 1_001_000
    server.always = None
    told.ask()
    assert told.users() == (7, 2)


def test_a_project_that_fails_does_not_hide_another(server: Vendor) -> None:
    told = Told(server.url, ("p1", "gone"))
    told.ask(0)
    told.ask(1)
    assert told.reasons == ["not_found"]
    assert (told.users("p1"), told.users("gone")) == ((7, 2), (None, None))
    assert told.value(names.LIVE_STATS_SUCCESS, "gone") == 0


# --- manners -------------------------------------------------------------------------------------


def test_each_failure_doubles_the_wait_up_to_ten_minutes_and_a_success_ends_it(
    server: Vendor,
) -> None:
    told = Told(server.url)
    server.always = says(500, {})
    waits = []
    for _ in range(8):
        told.ask()
        waits.append(told.due())
    assert waits == [30, 60, 120, 240, 480, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    server.always = None
    told.ask()
    assert told.due() == INTERVAL


@pytest.mark.parametrize(
    ("given", "wait"), [("90", 90), ("5", 30), ("999999999999", 3600), ("soon", 30), ("-5", 30)]
)
def test_a_retry_after_is_kept_within_reason(server: Vendor, given: str, wait: float) -> None:
    server.faults.append(says(503, {}, Retry_After=given))
    told = Told(server.url)
    told.ask()
    assert told.due() == wait


def test_a_limit_that_one_project_reached_is_kept_for_all(server: Vendor) -> None:
    """Its limits are the account's."""
    server.faults.append(says(429, {"message": "Try again in 2 minutes."}, Retry_After="120"))
    told = Told(server.url, ("p1", "p2", "p3"))
    told.ask(1)
    assert [told.due(place) for place in range(3)] == [120, 120, 120]


def test_one_failure_is_logged_once_and_its_end_too(
    server: Vendor, capfd: pytest.CaptureFixture[str]
) -> None:
    told = Told(server.url)
    server.always = says(500, {})
    for _ in range(3):
        told.ask()
    server.always = None
    told.ask()
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert '"detail": "status 500"' in lines[0]
    assert '"event": "live stats are back"' in lines[1]
    assert '"failures": 3' in lines[1]


def test_projects_are_asked_in_turn_and_each_once_an_interval(server: Vendor) -> None:
    told = Told(server.url, ("p1", "p2", "p3"), enough=8)
    server.counts |= {"p2": (1, 0), "p3": (0, 0)}
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(told.poller.run())
    assert server.asked == ["p1", "p2", "p3"] * 2 + ["p1"]
    assert told.slept == [0] + [10] * 7
