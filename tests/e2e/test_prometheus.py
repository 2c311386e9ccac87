"""A real Prometheus scrapes the exporter over restarts."""

import random
import time

from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess, free_port

CODES = (1000, 1006, 4001, 4005, "4006", "no such code")
REGIONS = ("eu-west", "us-east", "ap-south", "")


def _event(number: int, rng: random.Random) -> dict[str, object]:
    region = rng.choice(REGIONS)
    return {
        "id": f"event-{number}",
        "system": "streampixel",
        "code": rng.choice(CODES),
        "session_id": f"session-{number}",
        **({"labels": {"region": region}} if region else {}),
    }


def test_increase_over_two_restarts_is_exactly_the_acknowledged_events(tmp_path):
    """Fails without the first-seen delay (new label values lose their first events), and when a restart
    resets a counter."""
    ports = {"--ingest": free_port(), "--ops": free_port()}
    flags = [part for flag, port in ports.items() for part in (flag, f"127.0.0.1:{port}")]
    exporter = ExporterProcess(
        tmp_path / "data", *flags, settings={"labels": "region", "first_seen_zero_for": 4}
    )
    rng = random.Random(7)
    acknowledged = 0
    with (
        exporter,
        PrometheusProcess(tmp_path / "prometheus", [f"127.0.0.1:{ports['--ops']}"]) as prometheus,
    ):
        wait_for(lambda: len(prometheus.query("session_ends_total")) >= 38, what="a first scrape")
        for number in range(0, 10_000, 100):
            events = [_event(number + index, rng) for index in range(100)]
            reply = exporter.post(events)
            assert reply.status == 200
            acknowledged += reply.json["accepted"]
            assert exporter.post(events[:20]).json["duplicates"] == 20
            if number in (3000, 7000):
                assert exporter.stop() == 0
                exporter.start()
            time.sleep(0.03)  # spreads the events over some ten scrapes
        assert acknowledged == 10_000

        def scraped():
            return sum(prometheus.query("session_ends_total").values()) == 10_000

        wait_for(scraped, what="a scrape with everything in it")
        last = max(prometheus.query("timestamp(session_ends_total)").values())
        # At the time of the last sample increase() has nothing to extrapolate at the end, and at the
        # beginning it does not either, because every series begins at 0.
        by_series = prometheus.query("increase(session_ends_total[1h])", at=last)
        assert sum(by_series.values()) == 10_000
        assert prometheus.query("sum(resets(session_ends_total[1h]))", at=last) == {frozenset(): 0}
        unknown = [value for labels, value in by_series.items() if ("code", "unknown") in labels]
        assert sum(unknown) > 0
        exemplars = prometheus.get(
            "query_exemplars", query="session_ends_total", start=last - 600, end=last + 10
        )
        assert {
            exemplar["labels"]["session_id"].partition("-")[0]
            for series in exemplars
            for exemplar in series["exemplars"]
        } == {"session"}
