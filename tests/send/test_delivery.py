"""Delivery over a real socket: retries, refusals, and nothing counted twice."""

import socket
import struct
import threading
from contextlib import closing

import pytest

from exporter.names import INGEST_PATH
from exporter.send.connection import Connection
from exporter.send.delivery import Delivery
from exporter.send.events import Event
from exporter.send.options import Options
from exporter.send.report import Report
from exporter.send.rotation import Checkpoint
from tests.faulty_server import answers

from .conftest import Sender
from .fake_exporter import Handler, closes_after_responding, resets_after_counting

TOO_HIGH_INDEX = {"accepted": 2, "duplicates": 0, "rejected": [{"index": 3, "message": "m"}]}


def rows(count: int, system: str = "softdrive") -> str:
    return "".join(f'{{"system": "{system}", "session_id": "s-{n}"}}\n' for n in range(count))


def test_events_are_sent_in_batches_over_a_single_connection(sender: Sender) -> None:
    report = sender.lines(rows(1001))
    assert (report.read, report.accepted, report.exit_code) == (1001, 1001, 0)
    assert [len(ids) for ids in sender.requests] == [500, 500, 1]
    assert sender.server.connections == 1
    assert sender.server.headers["Content-Type"] == "application/x-ndjson"
    assert sender.server.headers["Content-Encoding"] == "gzip"
    sender.server.largest = 0
    sender.lines(rows(100), max_bytes=2000)
    assert 1000 < sender.server.largest <= 2000
    assert len(sender.requests) < 3 + 10


def test_position_is_saved_after_each_response(sender: Sender) -> None:
    saved: list[Checkpoint] = []
    body = b'{"system": "softdrive", "id": "%d"}'
    options = Options(sender.url, batch=2, max_wait=1)
    events = (
        Event("a:1", body % offset, checkpoint=Checkpoint("f", 0, 1, offset)) for offset in range(5)
    )
    with closing(Connection(options)) as connection:
        Delivery(connection, options, Report(), save=saved.append).deliver(events)
    assert [position.offset for position in saved] == [1, 3, 4]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_temporary_status_is_retried_after_the_time_that_the_server_asks_for(
    status: int, sender: Sender
) -> None:
    times = ("7", "86400", "Fri, 15 Jan 2027 08:00:05 GMT", "²")
    sender.faults += [answers(status, {"title": "full"}, Retry_After=time) for time in times]
    report = sender.lines(rows(3))
    assert (report.accepted, report.duplicates, report.retries) == (3, 0, 4)
    assert sender.clock.slept == [7.5, 61, 2, 4]
    assert f"{status} from {sender.url}{INGEST_PATH}: full. Retrying for up to" in sender.output


def test_backoff_doubles_to_a_limit(sender: Sender) -> None:
    sender.faults += [answers(503)] * 8
    assert sender.lines(rows(1)).accepted == 1
    assert sender.clock.slept == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_events_counted_before_a_reset_are_duplicates_of_the_retry(sender: Sender) -> None:
    sender.faults += [resets_after_counting]
    report = sender.lines(rows(3))
    assert (report.accepted, report.duplicates, report.retries) == (0, 3, 1)
    assert sender.requests[0] == sender.requests[1]
    assert len(sender.counted) == 3
    assert ": Connection reset by peer; check --url" in sender.output


def test_late_response_is_retried_and_nothing_is_counted_twice(sender: Sender) -> None:

    def respond_late(handler: Handler) -> None:
        outcome = handler.count()
        late.wait(10)
        handler.close_connection = True
        handler.answer(*outcome)

    late = threading.Event()
    sender.clock.on_sleep = late.set
    sender.faults += [None, respond_late]
    report = sender.lines(rows(3), batch=1, timeout=0.5)
    assert (report.accepted, report.duplicates) == (2, 1)
    assert report.retries >= 1  # more on a busy machine, where the second response is late too
    assert f"no response from {sender.url}{INGEST_PATH}: timed out" in sender.output


def test_attempt_ends_soon_after_max_wait(sender: Sender) -> None:
    def respond_late(handler: Handler) -> None:
        late.wait(3)
        answers(503)(handler)

    late = threading.Event()
    sender.faults += [respond_late]
    report = sender.lines(rows(1), max_wait=0)
    late.set()
    assert "timed out; check --url and the network\nGave up" in report.error


def test_idle_connection_that_was_closed_is_replaced_at_once(sender: Sender) -> None:
    sender.faults += [closes_after_responding]
    report = sender.lines(rows(2), batch=1)
    assert (report.accepted, report.retries, sender.server.connections) == (2, 0, 2)


def test_refused_connection_is_retried_until_max_wait(sender: Sender) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        report = sender.lines(rows(3), url=url, max_wait=20)
    assert (report.exit_code, report.accepted) == (2, 0)
    assert sum(sender.clock.slept) == pytest.approx(20)
    refused, gave_up, advice = report.error.splitlines()
    remedy = "is the exporter running? session-end-exporter serve"
    assert refused == f"connection refused at {url}{INGEST_PATH}: {remedy}"
    assert gave_up == "Gave up after 20 s."
    assert advice.startswith("0 events were acknowledged. Run the same command again, or ")
    assert advice.endswith("The first event that was not delivered is " + f"{sender.path}:1.")


def test_port_without_tls_is_named_without_a_retry(sender: Sender) -> None:
    report = sender.lines(rows(1), url=sender.url.replace("http:", "https:"))
    assert (report.exit_code, report.retries) == (2, 0)
    assert "/v1/session-ends: the port does not speak TLS: write http://" in report.error


def test_second_run_sends_the_events_that_the_first_did_not_deliver(sender: Sender) -> None:
    sender.faults += [None, answers(503, Retry_After="8"), None] + [answers(503)] * 100
    first = sender.lines(rows(8), batch=2, max_wait=10)
    assert (first.exit_code, first.accepted) == (2, 4)
    assert first.error.endswith("a.ndjson:5.")
    sender.faults.clear()
    second = sender.lines(rows(8), batch=2)
    assert (second.exit_code, second.accepted, second.duplicates) == (0, 4, 4)
    assert len(sender.counted) == 8


def test_interrupt_reports_the_acknowledged_events(sender: Sender) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    sender.faults += [None, answers(503)]
    sender.clock.on_sleep = interrupt
    report = sender.lines(rows(4), batch=2)
    assert (report.exit_code, report.accepted) == (2, 2)
    assert "Interrupted. 2 events were acknowledged. Run the same command again" in sender.output


def test_batch_that_is_too_large_is_halved(sender: Sender) -> None:
    sender.server.max_events = 10
    report = sender.lines(rows(32) + '{"system": "softdrive", "id": "huge"}\n', batch=32)
    assert (report.accepted, report.rejected) == (32, 1)
    assert [len(ids) for ids in sender.requests] == [32, 16, 8, 8, 16, 8, 8, 1]
    sent = [event["session_id"] for event in sender.counted.values()]
    assert sent == [f"s-{n}" for n in range(32)]
    assert f":33: rejected: 413 from {sender.url}{INGEST_PATH}: Too large\n" in sender.output


@pytest.mark.parametrize(
    ("status", "body", "headers", "error"),
    [
        (400, {"detail": "[red]\x1b[2J"}, {}, "400 from URL: [red]\x1b[2J"),
        (400, {"detail": "x" * 10_000}, {}, "400 from URL: xxx"),
        (401, {"title": "No"}, {}, "401 from URL: No. Give a valid token with --token-file"),
        (404, b"", {}, "404 from URL: Not Found. Does --url name the ingest listener?"),
        (308, b"", {"Location": "/b"}, "308 from URL: redirect to /b; redirects are not followed"),
        (200, b"<html>welcome</html>", {}, "200 from URL: OK: does not answer each event"),
        (200, b'{"a":' + b"[" * 100_000, {}, "200 from URL: OK: does not answer each event"),
        (
            200,
            b" " * (8 << 20) + b'{"accepted":3,"duplicates":0}',
            {},
            "200 from URL: OK: does not answer each event",
        ),
        (200, {"accepted": 4, "duplicates": -1}, {}, "200 from URL: OK: does not answer each"),
        (200, {"accepted": True, "duplicates": 2}, {}, "200 from URL: OK: does not answer each"),
        (200, TOO_HIGH_INDEX, {}, "200 from URL: OK: does not answer each event"),
    ],
)
def test_response_without_answers_stops_at_once(
    status: int,
    body: object,
    headers: dict[str, str],
    error: str,
    sender: Sender,
) -> None:
    sender.faults += [answers(status, body, **headers)]
    report = sender.lines(rows(3))
    assert (report.exit_code, report.acknowledged, len(sender.requests)) == (2, 0, 1)
    assert report.error.startswith(error.replace("URL", sender.url + INGEST_PATH))
    assert "\x1b" not in sender.output
    assert len(sender.output) < 1500


def test_token_that_was_replaced_in_its_file_is_used(sender: Sender) -> None:
    """Fails when the file is read at the start only: the line of a pipe was lost."""
    token = sender.file("token", "old")
    sender.server.token = "old"

    def replace(handler: Handler) -> None:
        token.write_text("new")
        sender.server.token = "new"
        handler.answer(*handler.count())

    sender.faults += [replace]
    report = sender.lines(rows(3), batch=1, token_file=token)
    assert (report.exit_code, report.accepted) == (0, 3)


def test_token_is_kept_while_its_file_is_replaced(sender: Sender) -> None:
    """Fails when a pipe ends, and its lines are lost, because the new token is not written yet."""
    token = sender.file("token", "old")
    sender.server.token = "old"

    def truncate(handler: Handler) -> None:
        token.write_text("")
        handler.answer(*handler.count())

    sender.faults += [truncate]
    report = sender.lines(rows(3), batch=1, token_file=token)
    assert (report.exit_code, report.accepted) == (0, 3)


def test_token_is_sent_and_never_shown(sender: Sender, caplog: pytest.LogCaptureFixture) -> None:
    token = sender.file("token", "\ufeff\n# of the shop\n secret \nolder\n")
    sender.faults += [answers(401)]
    report = sender.lines(rows(3), token_file=token)
    assert sender.server.headers["Authorization"] == "Bearer secret"
    assert (report.exit_code, report.retries) == (2, 0)
    assert "secret" not in sender.output + report.error + repr(report)
    assert caplog.records == []


def test_refusal_before_the_end_of_the_body_is_read() -> None:
    """Fails when the error of the write hides the response: 64 MiB exceed all socket buffers."""

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


def test_rejections_name_file_line_and_rule(sender: Sender) -> None:
    report = sender.lines(rows(2) + "\n" + rows(1, "nope") + rows(1) + rows(2, "no"), batch=4)
    assert (report.accepted, report.rejected, report.exit_code) == (3, 3, 1)
    for line, system in ((4, "nope"), (6, "no"), (7, "no")):
        assert f"a.ndjson:{line}: rejected: system = '{system}'" in sender.output
    sender.faults += [answers(422, {"title": "No valid event in the request"})]
    assert sender.lines(rows(2)).rejected == 2
    assert ": rejected: 422 from" in sender.output
