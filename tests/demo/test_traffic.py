"""The traffic of the demo."""

import json
from collections import Counter

import httpx
import pytest

from deploy.demo.outage import CODE, RATE, SYSTEM, Traffic


@pytest.mark.parametrize(("outage", "least", "most"), [(False, 0.0, 0.01), (True, 0.3, 0.37)])
def test_outage_affects_a_third_of_one_system_only(outage: bool, least: float, most: float) -> None:
    events: list[dict[str, str]] = []

    def receive(request: httpx.Request) -> httpx.Response:
        assert request.url == "http://a:1/v1/session-ends"
        batch = json.loads(request.content)
        assert len(batch) <= 1000
        events.extend(batch)
        return httpx.Response(200)

    with httpx.Client(transport=httpx.MockTransport(receive)) as client:
        traffic = Traffic(client, "a:1")
        traffic.outage = outage
        traffic.post_until(300.04)
        traffic.post_until(600)
    counts = Counter((event["system"], event["code"]) for event in events)
    totals = Counter(event["system"] for event in events)
    assert {*totals.values()} == {600 * RATE}
    assert traffic.posted == totals.total()
    assert least < (counts[SYSTEM, CODE] + 1) / totals[SYSTEM] < most
    assert 0.86 < counts["softdrive", "none"] / totals["softdrive"] < 0.9
