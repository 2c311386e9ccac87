"""The rules in numpy against the rendered rules in promtool, at every instant of a few eventful hours.

The policy's windows are shortened, its intervals made one: promtool evaluates every group at every step
and reads 10,000 samples a query. Forms, factors and the order of groups are the shipped ones.
"""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from exporter import names
from exporter.backtest.counters import Counters
from exporter.backtest.detections import Detections
from exporter.backtest.firing import Firing, firings, spans
from exporter.policy import loader as policies
from exporter.render import generate
from exporter.render.catalog import Subject, subjects
from exporter.render.pack import DASHBOARD_BASE_URL, RUNBOOK_BASE_URL
from exporter.taxonomy.loader import load as load_taxonomy
from tests.rules.promtool import CODES, ends

TAXONOMY = load_taxonomy()
STEP, ROWS = 30, 440
ORDER = ("windows", "budget", "long", "snapshots", "baseline")


def shortened(folder: Path) -> Path:
    """The shipped policy with short windows, evaluated every half-minute."""
    document: dict[str, Any] = yaml.safe_load(Path("exporter/policy.yaml").read_text())
    for name in ("baseline", "windows", "budget", "long", "pipeline"):
        document["intervals"][name] = "30s"
    document["baseline"] |= {"window": "40m", "median_window": "60m", "median_step": "30s"}
    for one, window in zip(document["limit"]["windows"], ("3m", "6m", "15m"), strict=True):
        one["window"] = window
    document["spike"] |= {"confirm_window": "3m", "burst": "60s", "keep_firing_for": "2m"}
    document["overrun"] |= {"window": "15m", "for": "2m", "keep_firing_for": "4m"}
    for one, window, confirm in zip(
        document["elevated"]["windows"], ("20m", "40m"), ("15m", "20m"), strict=True
    ):
        one |= {"window": window, "confirm_window": confirm}
    document["elevated"] |= {"planned_window": "40m", "for": "3m", "keep_firing_for": "5m"}
    document["new"] |= {
        "window": "15m",
        "memory": "100m",
        "learning": "40m",
        "keep_firing_for": "10m",
    }
    document["stopped"]["windows"] = document["stopped"]["windows"][:3]
    for one, window, longer, confirm in zip(
        document["stopped"]["windows"],
        ("1m", "3m", "6m"),
        ("15m", "15m", "20m"),
        ("1m", "1m", "3m"),
        strict=True,
    ):
        one |= {"window": window, "before": "15m", "longer_before": longer, "confirm": confirm}
    document["stopped"]["keep_firing_for"] = "2m"
    document["budget"] |= {"base": "20m", "for": "1m", "keep_firing_for": "3m"}
    for one, long, short in zip(
        document["budget"]["windows"], ("15m", "20m", "60m"), ("3m", "6m", "20m"), strict=True
    ):
        one |= {"long": long, "short": short}
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def eventful(system: str, codes: tuple[str, ...], seed: int) -> Counters:
    """Hours with outages of two sizes, a new code, a stop, and scrapes that failed."""
    random = np.random.default_rng(seed)
    rates = np.full((ROWS, len(codes)), 0.05)
    rates[:, 0] = 12.0
    rates[:, -1] = 0.0
    rates[150:180, 1] = 6.0
    rates[150:180, 2] = 1.0
    rates[250:330, 3] = 0.7
    rates[300:330, -1] = 0.2
    # So long that at its end only the longer look back has anything but the stop in it.
    rates[335:385] = 0.0
    totals = np.cumsum(random.poisson(rates), axis=0)
    present = np.ones(ROWS, np.bool_)
    for start in random.integers(20, ROWS, 12):
        present[start : start + random.integers(1, 4)] = False
    present[400:412] = False
    return Counters(system, 0.0, STEP, codes, totals, present)


def values(counters: Counters, column: int) -> str:
    """promtool's notation; a failed scrape leaves a stale marker, as Prometheus writes one."""
    return " ".join(
        str(total) if there else "stale"
        for total, there in zip(
            counters.totals[:, column].tolist(), counters.present.tolist(), strict=True
        )
    )


def chosen(found: tuple[Subject, ...], system: str, codes: tuple[str, ...]) -> list[Subject]:
    return [
        one
        for one in found
        if one.system is not None
        and one.system.system == system
        and (one.code is None or one.code.code in codes)
    ]


def promtool(folder: Path, inputs: dict[str, str], queries: list[dict[str, Any]]) -> str:
    files = sorted((folder / "rules").glob("*.yml"))
    groups = [
        group["name"] for file in files for group in yaml.safe_load(file.read_text())["groups"]
    ]
    recording = [f"session-ends-{name}" for name in ORDER]
    test = folder / "test.yml"
    test.write_text(
        yaml.safe_dump(
            {
                "rule_files": [str(file) for file in files],
                "evaluation_interval": f"{STEP}s",
                "group_eval_order": [*recording, *(one for one in groups if one not in recording)],
                "tests": [
                    {
                        "interval": f"{STEP}s",
                        "input_series": [
                            {"series": series, "values": text} for series, text in inputs.items()
                        ],
                        "promql_expr_test": queries,
                    }
                ],
            },
            width=1_000_000,
        )
    )
    done = subprocess.run(
        ["promtool", "test", "rules", str(test)], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def firing_at(found: list[Firing], at: float) -> set[str]:
    return {
        one.subject.alert for one in found if one.start <= at and (one.end is None or at < one.end)
    }


@pytest.mark.parametrize(
    ("system", "codes", "seed"),
    [
        ("streampixel", ("1000", "4001", "4005", "1006", "4003"), 1),
        ("softdrive", ("none", "13", "01", "04", "1002"), 2),
    ],
)
def test_every_alert_fires_when_promtool_says_so(
    tmp_path: Path, system: str, codes: tuple[str, ...], seed: int
) -> None:
    policy = policies.load(shortened(tmp_path))
    generate.render(TAXONOMY, policy, tmp_path, RUNBOOK_BASE_URL, DASHBOARD_BASE_URL)
    counters = eventful(system, codes, seed)
    alerts = chosen(subjects(TAXONOMY, policy.queued), system, codes)
    found = firings(counters, TAXONOMY.systems[system], policy, alerts)
    detections = Detections(counters, TAXONOMY.systems[system], policy)
    records = detections.records
    window = policy.limit.windows[0].window
    count, limit = records.count(window), detections.limit(window)
    rest, steady = records.rest(window), records.steady(window)
    queries: list[dict[str, Any]] = []
    fired = set()
    for row in range(ROWS):
        names_now = firing_at(found, row * STEP)
        fired |= names_now
        queries.append(
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing", signal!="pipeline"})',
                "eval_time": f"{row * STEP}s",
                "exp_samples": [
                    {"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(names_now)
                ],
            }
        )
        for record, array in (
            (names.RULE_COUNT, count),
            (names.RULE_LIMIT, limit),
            (names.RULE_REST, rest),
            (names.RULE_STEADY, steady),
        ):
            value = array[row, 1]
            labels = f'{{code="{codes[1]}", system="{system}"}}'
            queries.append(
                {
                    "expr": f"round(sum by (code, system) ({record}{window}{labels}), 0.0001)",
                    "eval_time": f"{row * STEP}s",
                    "exp_samples": []
                    if np.isnan(value)
                    else [{"labels": labels, "value": round(float(value) * 10_000) / 10_000}],
                }
            )
    inputs = {
        ends(CODES[system, code]): values(counters, place) for place, code in enumerate(codes)
    }
    assert promtool(tmp_path, inputs, queries) == ""
    signals = {one.subject.signal.value for one in found}
    burst = "overrun" if system == "softdrive" else "spike"
    assert signals >= {burst, "stopped", "elevated", "new", "budget"}, fired


def runs(*lengths: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """So many rows of False, then of True, and so on."""
    return np.concatenate([np.full(length, place % 2 == 1) for place, length in enumerate(lengths)])


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (runs(3, 2, 9), []),
        (runs(3, 3, 9), [(5, 10)]),
        (runs(3, 3, 4, 1, 9), [(5, 15)]),
        (runs(3, 3, 5, 3, 1), [(5, 10), (13, None)]),
        (runs(0, 3), [(2, None)]),
        (runs(5), []),
    ],
    ids=["too short", "once", "kept until it is back", "twice", "still", "never"],
)
def test_an_alert_waits_for_its_for_and_keeps_firing(
    flags: np.ndarray[Any, np.dtype[np.bool_]], expected: list[tuple[int, int | None]]
) -> None:
    assert list(spans(flags, wait=2, keep=4)) == expected


def test_a_step_that_is_not_the_policys_is_refused() -> None:
    counters = Counters(
        "streampixel", 0.0, 60, ("1000",), np.zeros((5, 1), np.int64), np.ones(5, np.bool_)
    )
    with pytest.raises(Exception, match=r"a step of 60 s: .* every 30s"):
        Detections(counters, TAXONOMY.systems["streampixel"], policies.load())
