"""The webhook that Alertmanager notifies."""

import urllib.request

from exporter.demo.receiver import Receiver


def test_receiver_returns_each_notification_once() -> None:
    with Receiver() as receiver:
        request = urllib.request.Request(f"{receiver.url}/page", b'{"alerts": []}')
        with urllib.request.urlopen(request, timeout=10) as response:
            assert response.status == 200
        assert list(receiver.notifications()) == [{"alerts": []}]
        assert list(receiver.notifications()) == []
