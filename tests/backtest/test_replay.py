"""The counters made from session ends, and the replay of the rules over them."""

from math import inf
from pathlib import Path

import numpy as np
import pytest

from exporter.backtest.counters import Counters, Ends
from exporter.backtest.replay import (
    ALL_SYSTEMS,
    Replay,
    load_rules,
    replays,
)
from exporter.promql.run import Run
from exporter.rule_files import RULES
from exporter.taxonomy.loader import load
from exporter.timestamps import rfc3339
from tests.backtest.histories import START
from tests.promql.promtool import query

TAXONOMY, GROUPS = load(), load_rules(RULES)
HOUR, DAY = 3600.0, 86400.0
ROWS = 24 * 120 + 1


def ends(*times: float, code: str = "4001", system: str = "streampixel") -> Ends:
    counted = Ends(TAXONOMY)
    add(counted, *times, code=code, system=system)
    return counted


def add(counted: Ends, *times: float, code: str, system: str = "streampixel") -> None:
    count = len(times)
    counted.add(system, [code] * count, [START + at for at in times], [False] * count)


def test_end_is_counted_at_the_first_scrape_after_it() -> None:
    counted = ends(89.9, 1.0, 31.0)
    add(counted, 45.0, code="1000")
    (counters,) = counted.counters()
    assert (counters.start, counters.step, counters.end) == (START, 30, START + 90)
    assert counters.codes == ("1000", "4001")
    assert counters.totals.tolist() == [[0, 0], [0, 1], [1, 2], [1, 3]]
    assert counters.present.all()
    assert Ends(TAXONOMY).counters() == []


@pytest.mark.parametrize("wrong", [-3000.0, -100.0, 100.0, 250.0])
@pytest.mark.parametrize(("system", "code"), [("streampixel", "1000"), ("softdrive", "18")])
def test_few_ends_far_from_all_others_are_removed(wrong: float, system: str, code: str) -> None:
    """They made hundreds of false alerts, or a later time hid all other ends."""
    counted = ends(*(at * 60.0 for at in range(1000)))
    add(counted, wrong * DAY, code=code, system=system)
    (counters,) = counted.counters()
    assert counters.start == START
    assert counters.totals[-1].tolist() == [1000]
    date = rfc3339(START + wrong * DAY)[:10]
    assert counted.removed == {f"far from all others ({date}): a wrong clock?": 1}


@pytest.mark.parametrize(
    "later", [[7 * DAY], [30 * DAY + at * 60.0 for at in range(500)]], ids=["short gap", "many"]
)
def test_ends_after_a_gap_remain(later: list[float]) -> None:
    """The gap is shorter than the memory of the rules, or many ends follow it."""
    counted = ends(*(at * 60.0 for at in range(1000)), *later)
    (counters,) = counted.counters()
    assert counters.totals[-1].tolist() == [1000 + len(later)]
    assert counted.removed == {}


def test_ends_long_before_the_last_are_removed() -> None:
    counted = ends(0.0, *(at * DAY + HOUR for at in range(200)))
    add(counted, 200 * DAY, code="18", system="softdrive")
    assert [int(counters.totals[-1].sum()) for counters in counted.counters()] == [1, 199]
    assert counted.removed == {"200 days or more before the last end (2026-07-24)": 2}


def test_days_of_random_times_do_not_fill_the_memory() -> None:
    counted = ends(*(at * DAY for at in range(-10_000, 1, 8)))
    assert len(counted._days) == 400
    (counters,) = counted.counters()
    assert counters.totals[-1].tolist() == [25]
    assert counted.removed == {"200 days or more before the last end (2026-01-05)": 1226}


def replay(since: float = -inf, until: float = inf) -> Replay:
    """A day with ten ends per 30 s and two outages: from 06:00 to 06:30, and from 23:30 on."""
    ends = np.zeros((ROWS, 2), np.int64)
    ends[1:, 0] = 10
    ends[720:780, 1] = 4
    ends[2820:, 1] = 4
    totals, present = np.cumsum(ends, axis=0), np.ones(ROWS, np.bool_)
    none = np.zeros_like(totals)
    counters = Counters("streampixel", 0.0, 30, ("1000", "4001"), totals, present, none)
    (result,) = replays(TAXONOMY, [counters], GROUPS, since, until)
    return result


def pages(part: Replay) -> list[float]:
    """The times at which pages began, in hours, rounded down to quarters of an hour."""
    return [
        firing.start // (HOUR / 4) / 4
        for firing in part.firings
        if firing.labels["severity"] == "page"
    ]


def test_alert_belongs_to_each_part_in_which_it_fires() -> None:
    """An alert that began before the part was missing."""
    assert pages(replay()) == [6.0, 23.5]
    assert replay().ends == {"1000": 28800, "4001": 484}
    assert pages(replay(until=12 * HOUR)) == [6.0]
    assert pages(replay(since=12 * HOUR)) == [23.5]
    assert pages(replay(since=6.2 * HOUR, until=12 * HOUR)) == [6.0]
    assert replay(since=12 * HOUR, until=13 * HOUR).ends == {"1000": 1200}


def test_duration_of_an_alert_is_cut_to_the_part() -> None:
    whole = replay()
    first, last = (firing for firing in whole.firings if firing.labels["severity"] == "page")
    assert (last.end, whole.cut(first), whole.cut(last)) == (None, False, True)
    assert whole.seconds(last) == 24 * HOUR - last.start
    part = replay(since=6.25 * HOUR, until=6.4 * HOUR)
    assert (part.cut(first), round(part.seconds(first))) == (True, 540)
    part = replay(until=6.4 * HOUR)
    assert (part.cut(first), part.seconds(first)) == (True, 6.4 * HOUR - first.start)
    part = replay(since=6.25 * HOUR)
    assert (part.cut(first), part.notified(first)) == (True, first.start + 40)


def both(path: Path, rule: str, days: float = 0.0) -> list[Replay]:
    """A failure a minute for two hours on two systems, on the second one `days` later."""
    (path / "a.yml").write_text(f"groups: [{{name: g, interval: 30s, rules: [{rule}]}}]")
    counted = ends(*range(0, 7200, 60))
    add(
        counted,
        *(days * DAY + 2.0 * at for at in range(0, 3600, 30)),
        code="18",
        system="softdrive",
    )
    histories = counted.counters()[::-1]
    return replays(TAXONOMY, histories, load_rules(path))


FAILURES = 'increase(session_ends_total{outcome="failure"}[5m])'


def test_rule_over_several_systems_fires_for_all_systems(tmp_path: Path) -> None:
    """Each system has 5 failures in 5 minutes. Each was evaluated alone, and the rule never fired."""
    parts = both(tmp_path, f"{{alert: A, expr: 'sum({FAILURES}) > 8'}}")
    assert [(part.system, len(part.firings)) for part in parts] == [
        ("streampixel", 0),
        ("softdrive", 0),
        (ALL_SYSTEMS, 1),
    ]
    assert parts[2].ends == {"4001": 120, "18": 120}


def test_alert_with_the_label_of_a_system_belongs_to_the_system(tmp_path: Path) -> None:
    parts = both(tmp_path, f"{{alert: A, expr: 'sum by (system) ({FAILURES}) > 3'}}")
    assert [(part.system, len(part.firings)) for part in parts] == [
        ("streampixel", 1),
        ("softdrive", 1),
    ]


def test_alert_fires_at_the_end_if_the_history_of_its_system_ends_earlier(tmp_path: Path) -> None:
    """Counts that Prometheus no longer scrapes end an alert; here only the file has ended."""
    rule = "{alert: A, expr: 'sum by (system) (session_ends_total) > 60'}"
    first, second = both(tmp_path, rule, days=3)
    assert first.until < second.since
    assert [[firing.end for firing in part.firings] for part in (first, second)] == [[None]] * 2
    later = "{alert: A, expr: vector(1), for: 30h, labels: {system: streampixel}}"
    assert not both(tmp_path, later, days=3)[0].firings


def test_exporter_of_all_systems_has_a_single_start(tmp_path: Path) -> None:
    rule = "{alert: A, expr: 'count(process_start_time_seconds) == 1'}"
    *_, part = both(tmp_path, rule, days=3)
    assert [(firing.start, firing.end) for firing in part.firings] == [(START, None)]
    # Fails if a rule reads two series with equal labels.
    both(tmp_path, "{record: a, expr: 'session_exporter_links_info * 1'}")


def test_series_of_repeats_can_be_read_by_rules() -> None:
    totals, present = np.array([[0, 0], [8, 2], [18, 6]]), np.ones(3, np.bool_)

    def value(repeats: np.ndarray) -> list[float]:
        counters = Counters("streampixel", 0.0, 30, ("1000", "4001"), totals, present, repeats)
        series = counters.series(TAXONOMY.systems["streampixel"])
        run = Run((), series, counters.start, counters.end)
        labels = 'system="streampixel", code="4001", outcome="failure", ledger="backtest"'
        repeats_of = f"session_end_repeats_total{{{labels}}}"
        return query(run, repeats_of, [60.0]).values[:, 0].tolist()

    assert value(totals // 4) == [1.0]


def test_counts_of_a_system_without_further_ends_last_for_a_day_at_most() -> None:
    """Fails without the extension: backtest did not find a system that stopped before the others."""
    for later, lasting in ((90.0, 120), (30 * DAY, 30 + DAY)):
        counted = ends(1.0)
        add(counted, later, code="18", system="softdrive")
        _, counters = counted.counters()
        assert counters.end == START + lasting
        for totals in (counters.totals[:, 0], counters.repeats[:, 0] + 1):
            assert totals[1:].tolist() == [1] * int(lasting / 30)


@pytest.mark.parametrize("signal", ["exporter", "watchdog"])
def test_alerts_about_the_exporter_itself_are_left_out(tmp_path: Path, signal: str) -> None:
    rule = "{alert: A, expr: vector(1), labels: {signal: %s}}"
    rules = ", ".join(rule % name for name in (signal, "spike"))
    (tmp_path / "a.yml").write_text(f"groups: [{{name: g, rules: [{rules}]}}]")
    (group,) = load_rules(tmp_path)
    assert [kept.labels["signal"] for kept in group.rules] == ["spike"]
