"""The webhook that Alertmanager notifies."""

import json
import urllib.error
import urllib.request

import pytest

from exporter.demo.receiver import Receiver

BODY = {
    "receiver": "page-platform",
    "alerts": [
        {"status": "firing", "labels": {"severity": "page"}, "annotations": {"summary": "a"}},
        {"status": "resolved", "labels": {"severity": "ticket"}, "annotations": {}},
    ],
}


def post(url: str, body: bytes) -> int:
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10) as response:
        return int(response.status)


def test_the_alerts_of_a_notification_come_one_by_one_and_once() -> None:
    with Receiver() as receiver:
        assert post(f"{receiver.url}/page-platform", json.dumps(BODY).encode()) == 200
        first, second = receiver.come()
        assert list(receiver.come()) == []
    assert (first.receiver, first.page, first.resolved) == ("page-platform", True, False)
    assert (second.page, second.resolved) == (False, True)


def test_what_is_no_json_is_refused_and_the_next_one_taken() -> None:
    with Receiver() as receiver:
        with pytest.raises(urllib.error.HTTPError, match="400") as refused:
            post(receiver.url, b"{")
        refused.value.close()
        assert post(receiver.url, json.dumps(BODY).encode()) == 200
        assert len(list(receiver.come())) == 2
