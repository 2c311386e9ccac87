"""Delivery against a real socket: retries, splits, refusals, and what is never counted twice."""

import socket
import threading
from pathlib import Path

import pytest

from exporter.send import Options
from exporter.send.connection import Connection

from .conftest import Sender
from .fake_exporter import (
    FakeExporter,
    answers,
    answers_after,
    closes_after_answering,
    resets_after_counting,
)

CERTIFICATE = Path(__file__).with_name("loopback.pem")


def rows(count: int, system: str = "softdrive") -> str:
    return "".join(f'{{"system": "{system}", "session_id": "s-{n}"}}\n' for n in range(count))


def test_all_events_are_sent_in_batches_over_one_connection(
    server: FakeExporter, sender: Sender
) -> None:
    report = sender(sender.file("a.ndjson", rows(1001)))
    assert (report.read, report.accepted, report.exit_code) == (1001, 1001, 0)
    assert [len(ids) for ids in server.requests] == [500, 500, 1]
    assert server.connections == 1
    assert server.headers[0]["Content-Type"] == "application/x-ndjson"
    assert server.headers[0]["Content-Encoding"] == "gzip"


def test_a_request_is_bounded_in_bytes(server: FakeExporter, sender: Sender) -> None:
    report = sender(sender.file("a.ndjson", rows(100)), max_bytes=2000)
    assert report.accepted == 100
    assert max(server.sizes) <= 2000
    assert len(server.sizes) < 20


def test_an_event_larger_than_a_request_may_be_goes_alone(
    server: FakeExporter, sender: Sender
) -> None:
    report = sender(sender.file("a.ndjson", rows(3)), max_bytes=1)
    assert report.accepted == 3
    assert [len(ids) for ids in server.requests] == [1, 1, 1]


def test_a_503_is_retried_after_as_long_as_the_server_asks(
    server: FakeExporter, sender: Sender
) -> None:
    server.faults += [answers(503, {"title": "full"}, Retry_After="7")]
    report = sender(sender.file("a.ndjson", rows(3)))
    assert (report.accepted, report.duplicates, report.retries) == (3, 0, 1)
    assert sender.clock.slept == [7.5]
    assert "503: full; trying again for up to 300 s" in sender.said


def test_a_retry_after_may_be_a_date_and_is_capped(server: FakeExporter, sender: Sender) -> None:
    server.faults += [
        answers(503, Retry_After="Fri, 15 Jan 2027 08:00:05 GMT"),
        answers(503, Retry_After="Fri, 15 Jan 2027 07:00:00 GMT"),
        answers(429, Retry_After="86400"),
        answers(503, Retry_After="soon"),
    ]
    assert sender(sender.file("a.ndjson", rows(1))).accepted == 1
    assert sender.clock.slept == [5.5, 0.5, 60.5, 4.0]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_status_that_may_pass_is_retried(
    status: int, server: FakeExporter, sender: Sender
) -> None:
    server.faults += [answers(status)]
    report = sender(sender.file("a.ndjson", rows(1)))
    assert (report.accepted, report.retries) == (1, 1)


def test_backoff_doubles_to_a_limit_and_draws_from_zero(
    server: FakeExporter, sender: Sender
) -> None:
    server.faults += [answers(503)] * 8
    assert sender(sender.file("a.ndjson", rows(1))).accepted == 1
    assert sender.clock.drawn == [(0, s) for s in (0.5, 1, 2, 4, 8, 16, 30, 30)]
    assert sender.clock.slept == [s for _, s in sender.clock.drawn]


def test_events_counted_before_the_connection_broke_are_duplicates_at_the_retry(
    server: FakeExporter, sender: Sender
) -> None:
    server.faults += [resets_after_counting]
    report = sender(sender.file("a.ndjson", rows(3)))
    assert (report.accepted, report.duplicates, report.retries) == (0, 3, 1)
    assert server.requests[0] == server.requests[1]
    assert len(server.counted) == 3


def test_an_answer_that_takes_too_long_is_a_retry_and_counts_nothing_twice(
    server: FakeExporter, sender: Sender
) -> None:
    patience = threading.Event()
    sender.clock.on_sleep = patience.set
    server.faults += [answers_after(patience)]
    report = sender(sender.file("a.ndjson", rows(3)), timeout=0.5)
    assert (report.accepted, report.duplicates) == (0, 3)
    assert report.retries >= 1  # more on a machine so busy that the second answer is late, too
    assert "timed out" in sender.said


def test_a_connection_closed_while_idle_is_opened_again_without_a_wait(
    server: FakeExporter, sender: Sender
) -> None:
    server.faults += [closes_after_answering]
    report = sender(sender.file("a.ndjson", rows(2)), batch=1)
    assert (report.accepted, report.retries, server.connections) == (2, 0, 2)
    assert sender.clock.slept == []


def test_a_server_that_is_not_there_is_tried_until_max_wait(
    sender: Sender, unused_port: int
) -> None:
    report = sender(
        sender.file("a.ndjson", rows(3)), url=f"http://127.0.0.1:{unused_port}", max_wait=20
    )
    assert (report.exit_code, report.accepted) == (2, 0)
    assert sum(sender.clock.slept) == pytest.approx(20)
    assert min(sender.clock.slept) > 0
    assert "gave up after 20 s" in report.error
    assert "0 events were acknowledged" in report.error
    assert "Running the same command again within 24 h is safe" in report.error
    assert "a.ndjson:1" in report.error


def test_giving_up_says_what_was_acknowledged_and_a_second_run_sends_the_rest(
    server: FakeExporter, sender: Sender
) -> None:
    server.faults += [None] + [answers(503)] * 100
    path = sender.file("a.ndjson", rows(6))
    first = sender(path, batch=2, max_wait=10)
    assert (first.exit_code, first.accepted) == (2, 2)
    assert "2 events were acknowledged; the first that was not is" in first.error
    assert "a.ndjson:3" in first.error
    server.faults.clear()
    second = sender(path, batch=2)
    assert (second.exit_code, second.accepted, second.duplicates) == (0, 4, 2)
    assert len(server.counted) == 6


def test_max_wait_starts_anew_with_each_answer(server: FakeExporter, sender: Sender) -> None:
    server.faults += [answers(503, Retry_After="8"), None] * 5
    report = sender(sender.file("a.ndjson", rows(5)), batch=1, max_wait=10)
    assert (report.exit_code, report.accepted) == (0, 5)


def test_a_413_halves_the_batch_and_later_batches_start_small(
    server: FakeExporter, sender: Sender
) -> None:
    server.most = 10
    report = sender(sender.file("a.ndjson", rows(64)), batch=32)
    assert (report.accepted, report.exit_code) == (64, 0)
    assert [len(ids) for ids in server.requests] == [32, 16, 8, 8, 16, 8, 8, 8, 8, 8, 8]
    sent = [event["session_id"] for event in server.counted.values()]
    assert sent == [f"s-{n}" for n in range(64)]


def test_one_event_too_large_for_the_server_is_rejected_and_does_not_shrink_the_others(
    server: FakeExporter, sender: Sender
) -> None:
    text = rows(8) + '{"system": "softdrive", "id": "huge"}\n' + rows(23)

    class Faults(type(server.faults)):  # type: ignore[misc]
        """Refuses every request that has the huge event, however small."""

        def __bool__(self) -> bool:
            return True

        def popleft(self) -> object:
            return lambda handler, events: (
                any(event["id"] == "huge" for event in events)
                and (handler.reply(413, {"detail": "the body is too large"}) or True)
            )

    server.faults = Faults()
    report = sender(sender.file("a.ndjson", text), batch=16)
    assert (report.accepted, report.rejected, report.exit_code) == (31, 1, 1)
    assert "a.ndjson:9: rejected: 413: the body is too large" in sender.said
    assert len(server.requests[-1]) == 8


def test_a_401_stops_at_once(server: FakeExporter, sender: Sender) -> None:
    server.token = "secret"
    report = sender(sender.file("a.ndjson", rows(3)), batch=1)
    assert (report.exit_code, len(server.requests), report.retries) == (2, 1, 0)
    assert "--token-file" in report.error


def test_the_token_is_sent_and_never_shown(
    server: FakeExporter, sender: Sender, tmp_path: Path
) -> None:
    server.token = "secret"
    token = sender.file("token", "\n secret \nolder\n")
    assert sender(sender.file("a.ndjson", rows(3)), token_file=token).accepted == 3
    server.token = "another"
    report = sender(sender.file("a.ndjson", rows(3)), token_file=token)
    assert report.exit_code == 2
    assert "secret" not in sender.said + report.error + repr(report)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 415, 431])
def test_a_status_that_will_not_pass_stops_at_once(
    status: int, server: FakeExporter, sender: Sender
) -> None:
    server.faults += [answers(status, {"detail": "why so"})]
    report = sender(sender.file("a.ndjson", rows(3)))
    assert (report.exit_code, len(server.requests), report.retries) == (2, 1, 0)
    assert f"{status}: why so" in report.error


def test_a_refusal_that_comes_before_the_body_was_sent_is_read(sender: Sender) -> None:
    """The server has answered and closed before the first byte: headers meet a RST, the body EPIPE."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Connection(Options(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        connection._http.connect()
        peer, _ = listener.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
    try:
        assert connection.post(b"x", timeout=5).status == 413
        assert connection._http.sock is None
    finally:
        connection.close()


def test_a_certificate_that_nobody_signed_stops_at_once(
    server: FakeExporter, sender: Sender
) -> None:
    server.use_tls(CERTIFICATE)
    report = sender(sender.file("a.ndjson", rows(3)), url=server.url)
    assert (report.exit_code, report.retries) == (2, 0)
    assert "the server's certificate: self-signed certificate; --ca-file?" in report.error


def test_the_ca_file_is_trusted(server: FakeExporter, sender: Sender) -> None:
    server.use_tls(CERTIFICATE)
    report = sender(sender.file("a.ndjson", rows(3)), url=server.url, ca_file=CERTIFICATE)
    assert (report.accepted, report.error) == (3, "")


def test_a_redirect_is_not_followed(server: FakeExporter, sender: Sender) -> None:
    server.faults += [answers(308, Location=f"{server.url}/elsewhere")]
    report = sender(sender.file("a.ndjson", rows(3)))
    assert (report.exit_code, len(server.requests)) == (2, 1)
    assert "308: moved to http://127.0.0.1" in report.error


@pytest.mark.parametrize(
    "body",
    [
        b"<html>welcome</html>",
        {"accepted": 2, "duplicates": 0, "rejected": []},
        {"accepted": 4, "duplicates": -1, "rejected": []},
        {"accepted": True, "duplicates": 2, "rejected": []},
        [],
        b"[" * 100_000,
    ],
    ids=["page", "too few", "negative", "boolean", "array", "deep"],
)
def test_a_200_that_does_not_account_for_every_event_acknowledges_nothing(
    body: object, server: FakeExporter, sender: Sender
) -> None:
    server.faults += [answers(200, body)]
    report = sender(sender.file("a.ndjson", rows(3)))
    assert (report.exit_code, report.acknowledged) == (2, 0)
    assert "does not account for the events" in report.error


def test_an_answer_without_end_is_not_read_into_memory(
    server: FakeExporter, sender: Sender
) -> None:
    server.faults += [answers(200, b" " * (9 << 20))]
    report = sender(sender.file("a.ndjson", rows(3)))
    assert (report.accepted, report.retries) == (3, 1)
    assert "an answer longer than 8,388,608 bytes" in sender.said


def test_rejections_name_file_and_line_of_the_event(server: FakeExporter, sender: Sender) -> None:
    report = sender(sender.file("a.ndjson", rows(2) + "\n" + rows(1, "nope") + rows(1)))
    assert (report.accepted, report.duplicates, report.rejected) == (3, 0, 1)
    assert report.exit_code == 1
    assert "a.ndjson:4: rejected: system = 'nope'" in sender.said


def test_a_422_rejects_event_by_event_and_the_rest_goes_on(
    server: FakeExporter, sender: Sender
) -> None:
    text = rows(2, "nope") + rows(2)
    report = sender(sender.file("a.ndjson", text), batch=2)
    assert (report.accepted, report.rejected, report.exit_code) == (2, 2, 1)
    assert "a.ndjson:2: rejected" in sender.said


def test_a_422_without_details_rejects_the_whole_request(
    server: FakeExporter, sender: Sender
) -> None:
    server.faults += [answers(422, {"title": "No valid event in the request"})]
    report = sender(sender.file("a.ndjson", rows(2)))
    assert (report.rejected, report.exit_code) == (2, 1)
    assert "a.ndjson:2: rejected: No valid event in the request" in sender.said


def test_the_first_twenty_rejections_are_printed_and_the_others_counted(
    server: FakeExporter, sender: Sender
) -> None:
    report = sender(sender.file("a.ndjson", rows(50, "nope")))
    assert report.rejected == 50
    assert sender.said.count("rejected: system") == 20
    assert "… and 30 more rejected" in sender.said


def test_what_a_server_says_can_not_move_the_cursor(server: FakeExporter, sender: Sender) -> None:
    server.faults += [answers(400, {"detail": "[red]\x1b[2J[/red]"})]
    sender(sender.file("a.ndjson", rows(1)))
    assert "[red]\\x1b[2J[/red]" in sender.said


def test_an_interrupt_is_reported_as_giving_up(server: FakeExporter, sender: Sender) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    server.faults += [None, answers(503)]
    sender.clock.on_sleep = interrupt
    report = sender(sender.file("a.ndjson", rows(4)), batch=2)
    assert (report.exit_code, report.accepted) == (2, 2)
    assert "interrupted: 2 events were acknowledged" in sender.said


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
