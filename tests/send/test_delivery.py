"""Delivery over a real socket: retries, splits, refusals, and nothing counted twice."""

import socket
import struct
import threading
from pathlib import Path
from typing import Any

import pytest

from exporter.send.connection import Connection
from exporter.send.options import Options

from .conftest import Sender
from .fake_exporter import (
    FakeExporter,
    Handler,
    answers,
    answers_after,
    closes_after_answering,
    resets_after_counting,
)

CERTIFICATE = Path(__file__).with_name("loopback.pem")


def rows(count: int, system: str = "softdrive") -> str:
    return "".join(f'{{"system": "{system}", "session_id": "s-{n}"}}\n' for n in range(count))


def test_events_are_sent_in_batches_over_a_single_connection(
    server: FakeExporter, sender: Sender
) -> None:
    report = sender.lines(rows(1001))
    assert (report.read, report.accepted, report.exit_code) == (1001, 1001, 0)
    assert [len(ids) for ids in server.requests] == [500, 500, 1]
    assert server.connections == 1
    assert server.headers[0]["Content-Type"] == "application/x-ndjson"
    assert server.headers[0]["Content-Encoding"] == "gzip"


def test_a_request_is_bounded_in_bytes(server: FakeExporter, sender: Sender) -> None:
    assert sender.lines(rows(100), max_bytes=2000).accepted == 100
    assert max(server.sizes) <= 2000
    assert len(server.sizes) < 20
    sender.lines(rows(3), max_bytes=1)
    assert [len(ids) for ids in server.requests[-3:]] == [1, 1, 1]


def test_a_503_is_retried_after_the_time_that_the_server_asks_for(
    server: FakeExporter, sender: Sender
) -> None:
    server.faults += [answers(503, {"title": "full"}, Retry_After="7")]
    report = sender.lines(rows(3))
    assert (report.accepted, report.duplicates, report.retries) == (3, 0, 1)
    assert sender.clock.slept == [7.5]
    assert f"503 from {server.url}/v1/session-ends: full. Retrying for" in sender.output


def test_a_retry_after_is_limited_and_a_date_is_ignored(
    server: FakeExporter, sender: Sender
) -> None:
    dates = ("86400", "Fri, 15 Jan 2027 08:00:05 GMT", "-1")
    server.faults += [answers(503, Retry_After=date) for date in dates]
    assert sender.lines(rows(1)).accepted == 1
    assert sender.clock.slept == [60.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 504])
def test_a_temporary_status_is_retried(status: int, server: FakeExporter, sender: Sender) -> None:
    server.faults += [answers(status)]
    report = sender.lines(rows(1))
    assert (report.accepted, report.retries) == (1, 1)


def test_the_backoff_doubles_to_a_limit_and_begins_at_zero(
    server: FakeExporter, sender: Sender
) -> None:
    server.faults += [answers(503)] * 8
    assert sender.lines(rows(1)).accepted == 1
    assert sender.clock.drawn == [(0, s) for s in (0.5, 1, 2, 4, 8, 16, 30, 30)]
    assert sender.clock.slept == [s for _, s in sender.clock.drawn]


def test_events_counted_before_a_reset_are_duplicates_of_the_retry(
    server: FakeExporter, sender: Sender
) -> None:
    server.faults += [resets_after_counting]
    report = sender.lines(rows(3))
    assert (report.accepted, report.duplicates, report.retries) == (0, 3, 1)
    assert server.requests[0] == server.requests[1]
    assert len(server.counted) == 3


def test_a_late_response_is_retried_and_nothing_is_counted_twice(
    server: FakeExporter, sender: Sender
) -> None:
    late = threading.Event()
    sender.clock.on_sleep = late.set
    server.faults += [answers_after(late)]
    report = sender.lines(rows(3), timeout=0.5)
    assert (report.accepted, report.duplicates) == (0, 3)
    assert report.retries >= 1  # more on a busy machine, where the second response is late too
    assert f"no response from {server.url}/v1/session-ends: timed out" in sender.output


def test_an_idle_connection_that_was_closed_is_replaced_at_once(
    server: FakeExporter, sender: Sender
) -> None:
    server.faults += [closes_after_answering]
    report = sender.lines(rows(2), batch=1)
    assert (report.accepted, report.retries, server.connections) == (2, 0, 2)
    assert sender.clock.slept == []


def test_a_refused_connection_is_retried_until_max_wait(sender: Sender) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        report = sender.lines(rows(3), url=url, max_wait=20)
    assert (report.exit_code, report.accepted) == (2, 0)
    assert sum(sender.clock.slept) == pytest.approx(20)
    assert min(sender.clock.slept) > 0
    remedy = "is the exporter running? session-end-exporter serve"
    assert f"connection refused at {url}/v1/session-ends: {remedy}" in report.error
    assert "Gave up after 20 s." in report.error
    assert "0 events were acknowledged. Run the same command again" in report.error
    assert "a.ndjson:1" in report.error


def test_a_second_run_sends_the_events_that_the_first_did_not_deliver(
    server: FakeExporter, sender: Sender
) -> None:
    server.faults += [None] + [answers(503)] * 100
    first = sender.lines(rows(6), batch=2, max_wait=10)
    assert (first.exit_code, first.accepted) == (2, 2)
    assert first.error.endswith("a.ndjson:3.")
    server.faults.clear()
    second = sender.lines(rows(6), batch=2)
    assert (second.exit_code, second.accepted, second.duplicates) == (0, 4, 2)
    assert len(server.counted) == 6


def test_max_wait_begins_anew_with_each_request(server: FakeExporter, sender: Sender) -> None:
    server.faults += [answers(503, Retry_After="8"), None] * 5
    report = sender.lines(rows(5), batch=1, max_wait=10)
    assert (report.exit_code, report.accepted) == (0, 5)


def test_a_batch_that_is_too_large_is_halved(server: FakeExporter, sender: Sender) -> None:
    server.most = 10
    report = sender.lines(rows(64), batch=32)
    assert (report.accepted, report.exit_code) == (64, 0)
    assert [len(ids) for ids in server.requests] == [32, 16, 8, 8, 16, 8, 8] * 2
    sent = [event["session_id"] for event in server.counted.values()]
    assert sent == [f"s-{n}" for n in range(64)]


def test_an_event_that_is_too_large_is_rejected_and_the_others_are_sent(
    server: FakeExporter, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(handler: Handler, events: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        huge = any(event["id"] == "huge" for event in events)
        return (413, {"detail": "the body is too large"}) if huge else real(handler, events)

    real = Handler.count
    monkeypatch.setattr(Handler, "count", count)
    report = sender.lines(rows(8) + '{"system": "softdrive", "id": "huge"}\n' + rows(3), batch=16)
    assert (report.accepted, report.rejected, report.exit_code) == (11 - 3, 1, 1)
    assert f"a.ndjson:9: rejected: 413 from {server.url}" in sender.output


def test_a_401_stops_at_once_and_names_the_flag(server: FakeExporter, sender: Sender) -> None:
    server.token = "secret"
    report = sender.lines(rows(3), batch=1)
    assert (report.exit_code, len(server.requests), report.retries) == (2, 1, 0)
    assert "Give a valid token with --token-file" in report.error


def test_the_token_is_sent_and_never_shown(server: FakeExporter, sender: Sender) -> None:
    server.token = "secret"
    token = sender.file("token", "\ufeff\n# of the shop\n secret \nolder\n")
    assert sender.lines(rows(3), token_file=token).accepted == 3
    server.token = "another"
    report = sender.lines(rows(3), token_file=token)
    assert report.exit_code == 2
    assert "secret" not in sender.output + report.error + repr(report)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 415, 431])
def test_a_final_status_stops_at_once(status: int, server: FakeExporter, sender: Sender) -> None:
    server.faults += [answers(status, {"detail": "the reason"})]
    report = sender.lines(rows(3))
    assert (report.exit_code, len(server.requests), report.retries) == (2, 1, 0)
    assert f"{status} from {server.url}/v1/session-ends: the reason" in report.error


def test_a_redirect_is_not_followed(server: FakeExporter, sender: Sender) -> None:
    server.faults += [answers(308, Location=f"{server.url}/elsewhere")]
    report = sender.lines(rows(3))
    assert (report.exit_code, len(server.requests)) == (2, 1)
    assert f"redirects are not followed, and this one leads to {server.url}/else" in report.error


def test_a_refusal_before_the_end_of_the_body_is_read() -> None:
    """Fails when the error of the write hides the response: 64 MiB fit into no socket's buffers."""

    def refuse(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        peer.recv(1)
        peer.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=(listener,))
        thread.start()
        connection = Connection(Options(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        assert connection.post(bytes(64 << 20)).status == 413
        thread.join()
        connection.close()


def test_an_untrusted_certificate_stops_at_once_and_names_the_flag(
    server: FakeExporter, sender: Sender
) -> None:
    server.use_tls(CERTIFICATE)
    report = sender.lines(rows(3), url=server.url)
    assert (report.exit_code, report.retries) == (2, 0)
    assert "is not trusted: self-signed certificate. Give its CA with --ca-file" in report.error
    report = sender.lines(rows(3), url=server.url, ca_file=CERTIFICATE)
    assert (report.accepted, report.error) == (3, "")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>welcome</html>",
        {"accepted": 2, "duplicates": 0, "rejected": []},
        {"accepted": 4, "duplicates": -1, "rejected": []},
        {"accepted": True, "duplicates": 2, "rejected": []},
        {"accepted": 2, "duplicates": 0, "rejected": [{"index": 7, "message": "m"}]},
        [],
        b"[" * 100_000,
        b" " * (9 << 20),
    ],
    ids=["page", "too few", "negative", "boolean", "index", "array", "deep", "long"],
)
def test_a_200_without_an_answer_for_each_event_acknowledges_nothing(
    body: object, server: FakeExporter, sender: Sender
) -> None:
    server.faults += [answers(200, body)]
    report = sender.lines(rows(3))
    assert (report.exit_code, report.acknowledged) == (2, 0)
    assert "not an answer to each event: is it the exporter?" in report.error


def test_a_rejection_names_file_line_and_rule(server: FakeExporter, sender: Sender) -> None:
    report = sender.lines(rows(2) + "\n" + rows(1, "nope") + rows(1))
    assert (report.accepted, report.duplicates, report.rejected) == (2, 1, 1)
    assert report.exit_code == 1
    assert "a.ndjson:4: rejected: system = 'nope'" in sender.output


def test_a_422_rejects_its_events_and_the_others_are_sent(
    server: FakeExporter, sender: Sender
) -> None:
    report = sender.lines(rows(2, "nope") + rows(2), batch=2)
    assert (report.accepted, report.rejected, report.exit_code) == (2, 2, 1)
    assert "a.ndjson:2: rejected: system = 'nope'" in sender.output
    server.faults += [answers(422, {"title": "No valid event in the request"})]
    report = sender.lines(rows(2))
    assert (report.rejected, report.exit_code) == (2, 1)
    assert "session-ends: No valid event in the request" in sender.output


def test_the_text_of_a_server_cannot_move_the_cursor(server: FakeExporter, sender: Sender) -> None:
    server.faults += [answers(400, {"detail": "[red]\x1b[2J[/red]"})]
    sender.lines(rows(1))
    assert "[red]\\x1b[2J[/red]" in sender.output


def test_an_interrupt_reports_the_acknowledged_events(server: FakeExporter, sender: Sender) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    server.faults += [None, answers(503)]
    sender.clock.on_sleep = interrupt
    report = sender.lines(rows(4), batch=2)
    assert (report.exit_code, report.accepted) == (2, 2)
    assert "Interrupted. 2 events were acknowledged. Run the same command again" in sender.output
