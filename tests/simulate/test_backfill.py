"""A real Prometheus over a simulated past."""

import subprocess
import time
from pathlib import Path

from exporter.simulate.openmetrics import openmetrics
from exporter.simulate.scenario import simulate
from exporter.simulate.traffic import DAY, HOUR, Traffic
from tests.e2e.prometheus_process import PrometheusProcess


def test_increase_over_an_incident_is_the_sum_of_its_ends(tmp_path: Path) -> None:
    now = time.time() // 15 * 15
    start = now - 4 * HOUR
    history = simulate(
        "streampixel",
        Traffic(ends_per_hour=5000.0, p_missed_scrape=0.0, restarts_per_day=0.0),
        4 * HOUR / DAY,
        [("capacity-large", 2 * HOUR)],
        start=start,
    )
    text = tmp_path / "past.om"
    text.write_text("".join(openmetrics([history])))
    prometheus = PrometheusProcess(tmp_path / "prometheus", [])
    subprocess.run(
        [
            *("promtool", "tsdb", "create-blocks-from", "openmetrics"),
            *(text, tmp_path / "prometheus" / "data"),
        ],
        check=True,
        capture_output=True,
    )
    (incident,) = history.incidents
    length = incident.end - incident.start
    ends = history.ends[history.bins(incident.start, incident.end)]
    with prometheus:
        # Both ends of the window are scrapes, so that increase() has nothing to extrapolate.
        by_code = prometheus.query(
            f'sum by (code) (increase(session_ends_total{{system="streampixel"}}[{length:.0f}s]))',
            at=incident.end,
        )
        # And from the first sample on, which is a 0.
        whole = prometheus.query("sum(increase(session_ends_total[4h]))", at=now)
        (labels,) = prometheus.query('session_ends_total{code="4001"}', at=now)
    assert {dict(one)["code"]: round(value) for one, value in by_code.items()} == dict(
        zip(history.codes, ends.sum(axis=0).tolist(), strict=True)
    )
    # A third in the mean; at 600 starts it was from 0.29 to 0.34, and a start follows from the clock here.
    assert ends[:, history.codes.index("4001")].sum() > 0.2 * ends.sum()
    assert round(whole[frozenset()]) == history.ends.sum()
    assert dict(labels)["job"] == "session-end-exporter"
