"""What is different in Prometheus' alerts since the last look."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from exporter.demo.watch import Prometheus


def alert(name: str, state: str, severity: str = "page") -> dict[str, object]:
    return {
        "labels": {"alertname": name, "severity": severity},
        "annotations": {"summary": f"{name}!"},
        "state": state,
    }


@contextmanager
def answering(*answers: list[dict[str, object]] | bytes) -> Iterator[Prometheus]:
    """Answers in turn, in the form of Prometheus' API; tests/e2e/test_demo.py has the real one."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = left.pop(0)
            if isinstance(answer, list):
                answer = json.dumps({"data": {"alerts": answer}}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Prometheus(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def told(prometheus: Prometheus) -> list[tuple[str, str]]:
    return [(one.state, one.alert) for one in prometheus.changes()]


def test_each_state_of_an_alert_is_told_once() -> None:
    pending, firing = [alert("A", "pending")], [alert("A", "firing")]
    with answering([], pending, pending, firing, firing, [], []) as prometheus:
        found = [told(prometheus) for _ in range(7)]
    assert found == [[], [("pending", "A")], [], [("firing", "A")], [], [("over", "A")], []]


def test_an_alert_that_was_pending_between_two_looks_is_told_as_that_too() -> None:
    with answering([alert("A", "firing")]) as prometheus:
        assert told(prometheus) == [("pending", "A"), ("firing", "A")]


def test_the_series_of_an_alert_are_told_apart() -> None:
    """Fails when alerts are known by name: two codes share one alert."""
    first, second = alert("A", "pending"), alert("A", "pending")
    second["labels"]["code"] = "4005"
    with answering([first], [first, second]) as prometheus:
        assert told(prometheus) == [("pending", "A")]
        assert told(prometheus) == [("pending", "A")]


def test_it_is_quiet_until_a_page_is_pending_and_a_ticket_disturbs_nobody() -> None:
    with answering([alert("T", "firing", "ticket")], [alert("A", "pending")], []) as prometheus:
        quiet = []
        for _ in range(3):
            list(prometheus.changes())
            quiet.append(prometheus.quiet)
    assert quiet == [True, False, True]


def test_an_answer_that_is_no_json_is_an_os_error() -> None:
    with answering(b"<html>") as prometheus, pytest.raises(OSError, match="Prometheus"):
        list(prometheus.changes())
