"""A Prometheus that has two and a half hours of traffic with incidents and now scrapes an exporter.

The traffic is simulated, and three incidents are not over. The rules' results of this time are computed by
exporter.promql. Afterwards Prometheus evaluates the same rules, but every second, so that an incident
becomes an alert soon. The exporter is real and receives every kind of event that its own metrics count.
"""

import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import yaml

from exporter import names
from exporter.backtest.replay import load_rules
from exporter.promql.run import Run
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME
from exporter.simulate.scenario import simulate
from exporter.simulate.traffic import Traffic
from exporter.taxonomy import loader as taxonomy_loader
from tests.dashboards.shipped import PanelQuery, interpolated
from tests.e2e.exporter_process import ExporterProcess
from tests.e2e.prometheus_process import PrometheusProcess
from tests.lab.runs import trial
from tests.promql.history import write_blocks
from tests.rule_groups import RULES, groups
from tests.streampixel.stats_server import USER, StatsServer, key_file
from tests.streampixel.webhook import TOKEN, body, token_file

HOURS = 2.5
MINUTE = 60.0
STEP = 30
INCIDENTS = {
    "streampixel": (
        ("crash-loop", 40 * MINUTE),
        ("capacity-large", HOURS * 60 * MINUTE - 20 * MINUTE),
    ),
    "softdrive": (("tls-inspection", 30 * MINUTE),),
}
"""Starts of incidents. The first two page, the second for 20 minutes so far; the third is a slow increase."""
RUNBOOKS = "http://runbooks.example"
TAXONOMY = taxonomy_loader.load()
Series = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """Selected values of a dashboard's variables."""

    system: str
    code: str

    def of(self, text: str, **more: str) -> str:
        """The text as Grafana sends it."""
        every = {"instance": ".+", "label": "region", "__rate_interval": "1m"}
        return interpolated(text, **every, system=self.system, code=self.code, **more)


STREAMPIXEL = Choice("streampixel", "4001")
SOFTDRIVE = Choice("softdrive", "01")
ALL = Choice(".+", "1001")
CHOICES = (STREAMPIXEL, SOFTDRIVE, Choice("(softdrive|streampixel)", "1001"), ALL)


class World:
    """`began` and `now`, Unix seconds, are the limits of the simulated time."""

    def __init__(self, folder: Path) -> None:
        # Whole minutes, as the steps of the rules' subqueries: the first evaluation sees all samples.
        self.now = time.time() // 60 * 60
        self.began = self.now - HOURS * 3600
        # Without quiet hours: an incident must show now, at any time of the day.
        traffic = Traffic(
            ends_per_hour=3000, daily_ratio=1.0, weekend=1.0, restarts_per_day=0, p_missed_scrape=0
        )
        self.histories = {
            system: simulate(
                system, traffic, days=HOURS / 24, incidents=incidents, seed=3, start=self.began
            )
            for system, incidents in INCIDENTS.items()
        }
        self.platform = StatsServer()
        self.exporter = ExporterProcess(
            folder / "ledger",
            settings={
                "labels": "region",
                "first_seen_zero_for": 0,
                "runbook_url": RUNBOOKS,
                "streampixel_webhook_token_file": token_file(folder),
                "live_stats_projects": "p1",
                "live_stats_user": USER,
                "live_stats_key_file": key_file(folder),
                "live_stats_url": self.platform.url,
            },
        )
        self._folder = folder
        self._sent = 0
        self._running = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as started:
            started.enter_context(self.platform)
            started.enter_context(self.exporter)
            self.prometheus = self._prometheus(self._folder)
            started.enter_context(self.prometheus)
            self._running = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def _prometheus(self, folder: Path) -> PrometheusProcess:
        target = f"127.0.0.1:{self.exporter.ports['ops']}"
        rules = folder / "rules"
        rules.mkdir()
        for name, shipped in groups().items():
            document = {"groups": [{**group, "interval": "1s"} for group in shipped]}
            (rules / name).write_text(yaml.safe_dump(document))
        process = PrometheusProcess(
            folder / "prometheus", [target], interval=0.5, rules=[rules / "*.yml"]
        )
        write_blocks(self._samples(), folder / "prometheus" / "data")
        return process

    def _samples(self) -> list[Samples]:
        """The scraped series and the recorded series, in one block per metric."""
        # The exporter's own series are in the history of both systems: they are kept once.
        scraped = {
            samples.labels: samples
            for system, history in self.histories.items()
            for samples in trial(history, STEP).counters.series(TAXONOMY.systems[system])
        }
        run = Run(
            load_rules(RULES), scraped.values(), self.began, self.now, interval=STEP, keep=None
        )
        assert not run.failures
        times = np.arange(self.began, self.now + 1, STEP)
        every = run.query('{__name__=~"[a-z].*"}', times)
        rows: dict[str, list[int]] = {}
        for row, pairs in enumerate(every.labels):
            rows.setdefault(dict(pairs)[METRIC_NAME], []).append(row)
        return [
            Samples.of(
                (times * 1000).astype(np.int64),
                [every.labels[row] for row in of_metric],
                every.values[of_metric],
                every.present[of_metric],
            )
            for of_metric in rows.values()
        ]

    def ask(self, query: PanelQuery, choice: Choice) -> list[Series]:
        """The series of a query now, or over the whole time."""
        expr = choice.of(query.expr)
        now = time.time()
        if query.target["instant"]:
            series = self.prometheus.get("query", query=expr, time=now)["result"]
            return [{**row, "values": [row["value"]]} for row in series]
        # Times are multiples of the step, as in Grafana, so that series of two queries can be compared. The
        # end is the next multiple, because the exporter may have started after the previous multiple.
        end = now // STEP * STEP + STEP
        window = {"start": end - HOURS * 3600, "end": end, "step": STEP}
        return self.prometheus.get("query_range", query=expr, **window)["result"]

    def send(self) -> None:
        """Some events of every kind: retried, refused, rejected, unknown, late, interrupted."""
        first = self._sent
        self._sent += 20
        events: list[dict[str, Any]] = [
            {
                "id": f"event-{number}",
                "system": ("streampixel", "softdrive")[number % 2],
                "code": ("4001", "01")[number % 2],
                "session_id": f"session-{number}",
                "duration_seconds": 2.0 + number % 7,
                "labels": {"region": ("eu-west", "us-east")[number // 2 % 2]},
            }
            for number in range(first, self._sent)
        ]
        events += [{**event, "id": f"healed-{event['id']}", "final": False} for event in events[:4]]
        assert self.exporter.post(events).status == 200
        assert self.exporter.post(events[:5]).json["duplicates"] == 5
        odd = [
            {"id": f"unknown-{first}", "system": "softdrive", "code": "no such code"},
            {"id": f"both-{first}", "system": "softdrive", "code": "1001"},
            {"id": f"late-{first}", "system": "softdrive", "occurred_at": "2020-01-01T00:00:00Z"},
            {"system": "streampixel", "code": "1000", "duration_seconds": 300},
            {"system": "nobody's"},
        ]
        assert len(self.exporter.post(odd).json["rejected"]) == 1
        assert self.exporter.request("ingest", "POST", "/v1/session-ends", b"{").status == 415
        build = body("build.approved", timestamp=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
        headers = {"Content-Type": "application/json"}
        path = names.BUILDS_PATH + TOKEN
        assert self.exporter.request("ingest", "POST", path, build, headers).status == 200


def last(series: Series) -> float:
    return float(series["values"][-1][1])
