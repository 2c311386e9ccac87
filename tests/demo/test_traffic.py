"""The traffic of the demo."""

from collections import Counter
from typing import Any

import pytest

from deploy.demo.outage import CODE, RATE, SYSTEM, Traffic


class Exporter:
    """Keeps the events that it receives."""

    def __init__(self) -> None:
        self.events: list[dict[str, str]] = []

    def post(self, url: str, json: list[dict[str, str]]) -> "Exporter":
        assert url == "http://a:1/v1/session-ends"
        assert len(json) <= 1000
        self.events += json
        return self

    def raise_for_status(self) -> None:
        pass


@pytest.mark.parametrize(("outage", "least", "most"), [(False, 0.0, 0.01), (True, 0.3, 0.37)])
def test_outage_affects_a_third_of_one_system_only(outage: bool, least: float, most: float) -> None:
    exporter: Any = Exporter()
    traffic = Traffic(exporter, "a:1")
    traffic.outage = outage
    traffic.post_until(300.04)
    traffic.post_until(600)
    counts = Counter((event["system"], event["code"]) for event in exporter.events)
    totals = Counter(event["system"] for event in exporter.events)
    assert {*totals.values()} == {600 * RATE}
    assert traffic.posted == totals.total()
    assert least < (counts[SYSTEM, CODE] + 1) / totals[SYSTEM] < most
    assert 0.86 < counts["softdrive", "none"] / totals["softdrive"] < 0.9
