"""A Prometheus with two and a half hours of traffic with incidents, which now scrapes an exporter.

The past is simulated: a ledger that two replicas show, and three incidents, which still go on. promtool
records it with rules/*.yml, in the order in which the rules read each other. Then the real Prometheus
evaluates the same rules, more often, so that an incident becomes an alert within seconds. The exporter is
real too, and receives every kind of event that its own metrics count.
"""

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import yaml

from exporter import names
from exporter.metrics.taxonomy import TaxonomyCollector
from exporter.simulate.history import History
from exporter.simulate.openmetrics import openmetrics
from exporter.simulate.scenario import simulate
from exporter.simulate.traffic import Traffic
from exporter.taxonomy import loader as taxonomy_loader
from tests.dashboards import promql
from tests.e2e.exporter_process import ExporterProcess
from tests.e2e.prometheus_process import PrometheusProcess
from tests.rule_groups import groups, recording
from tests.streampixel.payloads import body
from tests.streampixel.stats_server import USER, StatsServer, key_file
from tests.streampixel.webhook import TOKEN, token_file

HOURS = 2.5
MINUTE = 60.0
PLANS = {
    "streampixel": (
        ("crash-loop", 40 * MINUTE),
        ("capacity-large", HOURS * 60 * MINUTE - 20 * MINUTE),
    ),
    "softdrive": (("tls-inspection", 30 * MINUTE),),
}
"""Two that page, the larger one since 20 minutes, and one that has crept up for two hours."""
ENDS_PER_HOUR = 3000
EXPORTER, REPLICA = "127.0.0.1:10401", "127.0.0.1:10402"
RENAMED = ("softdrive", "19", "ConnectionFailed", "Connection failed")
"""A code whose name another release of the exporter spells in another way."""
STEP = "30s"
RUNBOOKS = "http://runbooks.example"
TAXONOMY = taxonomy_loader.load()


class _Prometheus(PrometheusProcess):
    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"


class World:
    """Times are Unix seconds: `began` and `now` of the past; `histories` what really happened."""

    def __init__(self, folder: Path) -> None:
        # Whole minutes, like the steps of the rules' subqueries: the first record already sees the past.
        self.now = time.time() // 60 * 60
        self.began = self.now - HOURS * 3600
        self.histories = [
            simulate(
                system,
                # No hour and no weekend is quieter: the past ends now, and an incident must show then.
                Traffic(
                    ends_per_hour=ENDS_PER_HOUR,
                    daily_ratio=1.0,
                    weekend=1.0,
                    restarts_per_day=0,
                    p_missed_scrape=0,
                ),
                days=HOURS / 24,
                incidents=plan,
                seed=3,
                start=self.began,
            )
            for system, plan in PLANS.items()
        ]
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
            self._begin(self._folder)
            started.enter_context(self.prometheus)
            self._running = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def _begin(self, folder: Path) -> None:
        self.prometheus = _Prometheus(
            folder / "prometheus",
            [f"127.0.0.1:{self.exporter.ports['ops']}"],
            rules=[folder / "shipped" / "*.yml"],
        )
        self._create("openmetrics", "".join(self._ends()))
        self._create("openmetrics", "".join(self._info()))
        for level in levels(recording()):
            self._record(level)
        (folder / "shipped").mkdir()
        for name, shipped in groups().items():
            evaluated = [{**group, "interval": "2s"} for group in shipped]
            (folder / "shipped" / name).write_text(yaml.safe_dump({"groups": evaluated}))

    def incident(self, name: str) -> Any:
        incidents = (incident for history in self.histories for incident in history.incidents)
        return next(incident for incident in incidents if incident.name == name)

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
        self.build("build.approved")

    def build(self, event: str) -> None:
        """A build event that happened now."""
        sent = body(event, timestamp=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
        headers = {"Content-Type": "application/json"}
        path = names.BUILDS_PATH + TOKEN
        assert self.exporter.request("ingest", "POST", path, sent, headers).status == 200

    def _ends(self) -> Iterator[str]:
        """The session ends, from two replicas: each metric family once."""
        for instance in (EXPORTER, REPLICA):
            lines = "".join(openmetrics(self.histories, instance=instance, ledger="51a7ed00"))
            if instance == REPLICA:
                lines = re.sub(r"^# [HT].*\n", "", lines, flags=re.MULTILINE)
            yield lines.replace("# EOF\n", "")
        yield "# EOF\n"

    def _info(self) -> Iterator[str]:
        """The series of the taxonomy, from two releases of the exporter; the replica started first."""
        times = range(int(self.began), int(self.now) + 1, 60)

        def series(name: str, labels: dict[str, str], instance: str, value: float) -> str:
            every = {**labels, "job": "exporter", "instance": instance}
            written = ",".join(
                f"{key}={json.dumps(text, ensure_ascii=False)}" for key, text in every.items()
            )
            return "".join(f"{name}{{{written}}} {value} {at}\n" for at in times)

        for family in TaxonomyCollector(TAXONOMY, RUNBOOKS, "").collect():
            yield from {f"# TYPE {sample.name} gauge\n" for sample in family.samples}
            for name, labels, value, *_ in family.samples:
                yield series(name, labels, EXPORTER, value)
                renamed = RENAMED[:3] == (
                    labels.get("system"),
                    labels.get("code"),
                    labels.get("name"),
                )
                if name == names.SESSION_END_CODE_INFO and renamed:
                    yield series(name, {**labels, "name": RENAMED[3]}, REPLICA, 1)
        yield "# TYPE process_start_time_seconds gauge\n"
        yield series("process_start_time_seconds", {}, EXPORTER, 2)
        yield series("process_start_time_seconds", {}, REPLICA, 1)
        yield "# EOF\n"

    def _create(self, kind: str, text: str, *options: str) -> None:
        path = self._folder / kind
        path.write_text(text)
        data = self._folder / "prometheus" / "data"
        output = (f"--output-dir={data}", str(path)) if options else (str(path), str(data))
        command = ["promtool", "tsdb", "create-blocks-from", kind, *options, *output]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr

    def _record(self, rules: dict[str, str]) -> None:
        level = [{"record": record, "expr": expr} for record, expr in rules.items()]
        window = (f"--start={self.began:.0f}", f"--end={self.now:.0f}", f"--eval-interval={STEP}")
        with self.prometheus:
            text = yaml.safe_dump({"groups": [{"name": "level", "rules": level}]})
            self._create("rules", text, f"--url={self.prometheus.url}", *window)


def levels(rules: dict[str, str]) -> Iterator[dict[str, str]]:
    """Recording rules, first those that read no other, then those that read these, and so on."""
    reads = {
        record: promql.metrics(expr) & rules.keys() - {record} for record, expr in rules.items()
    }
    done: set[str] = set()
    while len(done) < len(rules):
        level = {
            record: expr
            for record, expr in rules.items()
            if record not in done and reads[record] <= done
        }
        assert level, "records that read each other"
        done |= level.keys()
        yield level


def history(world: World, system: str) -> History:
    return next(history for history in world.histories if history.system == system)
