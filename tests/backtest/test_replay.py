"""The counters made from session ends, and the replay of the rules over them."""

from math import inf
from pathlib import Path

import numpy as np
import pytest

from exporter.backtest.counters import Counters, Ends
from exporter.backtest.event_counts import EventCounts
from exporter.backtest.replay import (
    ALL_SYSTEMS,
    Replay,
    load_rules,
    replays,
)
from exporter.errors import ConfigError
from exporter.promql.run import Failure, Run
from exporter.rule_files import RULES
from exporter.taxonomy.loader import load
from tests.backtest.histories import START

TAXONOMY, GROUPS = load(), load_rules(RULES)
HOUR, DAY = 3600.0, 86400.0
ROWS = 24 * 120 + 1


def ends(*times: float, code: str = "4001") -> Ends:
    counted = Ends(TAXONOMY.systems["streampixel"])
    counted.add([code] * len(times), [START + at for at in times])
    return counted


def test_end_is_counted_at_the_first_scrape_after_it() -> None:
    counted = ends(89.9, 1.0, 31.0)
    counted.add(["1000"], [START + 45.0])
    counters = counted.counters(EventCounts())
    assert counters is not None
    assert (counters.start, counters.step, counters.end) == (START, 30, START + 90)
    assert counters.codes == ("1000", "4001")
    assert counters.totals.tolist() == [[0, 0], [0, 1], [1, 2], [1, 3]]
    assert counters.present.all()
    assert ends().counters(EventCounts()) is None


def test_few_ends_far_from_all_others_are_removed() -> None:
    events = EventCounts(counted=1003)
    times = [at * 60.0 for at in range(1000)]
    counted = ends(*times, -START)
    counted.add(["1000", "4001"], [START + 100 * DAY, START - 3000 * DAY])
    counters = counted.counters(events)
    assert counters is not None
    assert counters.start == START
    assert counters.codes == ("4001",)
    assert counters.totals[-1].tolist() == [1000]
    assert events.counted == 1000
    reason = "far from all others (1970-01-01 to 2026-04-15): a wrong clock?"
    assert list(events.skipped()) == [(3, reason)]


@pytest.mark.parametrize(
    "later", [[7 * DAY], [30 * DAY + at * 60.0 for at in range(500)]], ids=["short gap", "many"]
)
def test_ends_after_a_gap_remain(later: list[float]) -> None:
    """The gap is shorter than the memory of the rules, or many ends follow it."""
    events = EventCounts()
    counters = ends(*(at * 60.0 for at in range(1000)), *later).counters(events)
    assert counters is not None
    assert counters.totals[-1].tolist() == [1000 + len(later)]
    assert events.outliers == 0


def test_too_long_history_is_refused_with_its_dates() -> None:
    with pytest.raises(ConfigError, match="from 2026-01-05 to 2026-08-13, and at most 200 days"):
        ends(0.0, 220 * DAY).counters(EventCounts())


def test_times_on_too_many_days_are_refused_before_they_fill_the_memory() -> None:
    counted = ends(0.0)
    with pytest.raises(ConfigError, match="from 1998-08-20 to 2026-01-05, and at most 200 days"):
        counted.add(["4001"] * 1000, [START + at * DAY for at in range(-10_000, 0, 10)])


def replay(since: float = -inf, until: float = inf) -> Replay:
    """A day with ten ends per 30 s and two outages: from 06:00 to 06:30, and from 23:30 on."""
    ends = np.zeros((ROWS, 2), np.int64)
    ends[1:, 0] = 10
    ends[720:780, 1] = 4
    ends[2820:, 1] = 4
    totals, present = np.cumsum(ends, axis=0), np.ones(ROWS, np.bool_)
    counters = Counters("streampixel", 0.0, 30, ("1000", "4001"), totals, present)
    (result,), _ = replays(TAXONOMY, [counters], GROUPS, since, until)
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


def both(path: Path, rule: str, days: float = 0.0) -> tuple[list[Replay], list[Failure]]:
    """A failure a minute for two hours on two systems, on the second one `days` later."""
    (path / "a.yml").write_text(f"groups: [{{name: g, interval: 30s, rules: [{rule}]}}]")
    counted = ends(*range(0, 7200, 60)), Ends(TAXONOMY.systems["softdrive"])
    times = [START + days * DAY + 2.0 * at for at in range(0, 3600, 30)]
    counted[1].add(["18"] * len(times), times)
    histories = [counters for each in counted if (counters := each.counters(EventCounts()))]
    return replays(TAXONOMY, histories, load_rules(path))


FAILURES = 'increase(session_ends_total{outcome="failure"}[5m])'


def test_rule_over_several_systems_fires_for_all_systems(tmp_path: Path) -> None:
    """Each system has 5 failures in 5 minutes. Each was evaluated alone, and the rule never fired."""
    parts, failures = both(tmp_path, f"{{alert: A, expr: 'sum({FAILURES}) > 8'}}")
    assert not failures
    assert [(part.system, len(part.firings)) for part in parts] == [
        ("streampixel", 0),
        ("softdrive", 0),
        (ALL_SYSTEMS, 1),
    ]
    assert parts[2].ends == {"4001": 120, "18": 120}


def test_alert_with_the_label_of_a_system_belongs_to_the_system(tmp_path: Path) -> None:
    parts, _ = both(tmp_path, f"{{alert: A, expr: 'sum by (system) ({FAILURES}) > 3'}}")
    assert [(part.system, len(part.firings)) for part in parts] == [
        ("streampixel", 1),
        ("softdrive", 1),
    ]


def test_alert_fires_at_the_end_if_the_history_of_its_system_ends_earlier(tmp_path: Path) -> None:
    """Counts that Prometheus no longer scrapes end an alert; here only the file has ended."""
    rule = f"{{alert: A, expr: 'sum by (system) ({FAILURES}) > 3'}}"
    first, second = both(tmp_path, rule, days=3)[0]
    assert first.until < second.since
    assert [[firing.end for firing in part.firings] for part in (first, second)] == [[None]] * 2
    later = "{alert: A, expr: vector(1), for: 1d, labels: {system: streampixel}}"
    assert not both(tmp_path, later, days=3)[0][0].firings


def test_exporter_of_all_systems_has_a_single_start(tmp_path: Path) -> None:
    rule = "{alert: A, expr: 'count(process_start_time_seconds) == 1'}"
    (*_, part), _ = both(tmp_path, rule, days=3)
    assert [(firing.start, firing.end) for firing in part.firings] == [(START, None)]
    # Fails if a rule reads two series with equal labels.
    assert not both(tmp_path, "{record: a, expr: 'session_exporter_links_info * 1'}")[1]


def test_histories_that_are_too_long_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="all systems: ends from 2026-01-05 to 2026-08-13"):
        both(tmp_path, "{alert: A, expr: vector(1)}", days=220)


def test_series_of_repeats_can_be_read_by_rules() -> None:
    totals, present = np.array([[0, 0], [8, 2], [18, 6]]), np.ones(3, np.bool_)

    def value(repeats: np.ndarray | None) -> list[float]:
        counters = Counters("streampixel", 0.0, 30, ("1000", "4001"), totals, present, repeats)
        series = counters.series(TAXONOMY.systems["streampixel"])
        run = Run((), series, counters.start, counters.end)
        labels = 'system="streampixel", code="4001", outcome="failure", ledger="backtest"'
        query = f"session_end_repeats_total{{{labels}}}"
        return run.query(query, [60.0]).values[:, 0].tolist()

    assert (value(totals // 4), value(None)) == ([1.0], [0.0])


def test_counts_of_a_system_without_further_ends_last_for_a_day_at_most() -> None:
    """Fails without the extension: backtest did not find a system that stopped before the others."""
    counted = ends(1.0)
    counted.add(["4001"], [START + 1.0], ("repeats", ""))
    counters = counted.counters(EventCounts())
    assert counters is not None
    lasting = counters.lasting(START + 90)
    assert (lasting.end, lasting.present.tolist()) == (START + 90, [True] * 4)
    assert lasting.repeats is not None
    for totals in (lasting.totals, lasting.repeats):
        assert totals.tolist() == [[0], [1], [1], [1]]
    assert counters.lasting(START + 30 * DAY).end == START + 30 + DAY


@pytest.mark.parametrize("signal", ["exporter", "watchdog"])
def test_alerts_about_the_exporter_itself_are_left_out(tmp_path: Path, signal: str) -> None:
    rule = "{alert: A, expr: vector(1), labels: {signal: %s}}"
    rules = ", ".join(rule % name for name in (signal, "spike"))
    (tmp_path / "a.yml").write_text(f"groups: [{{name: g, rules: [{rules}]}}]")
    (group,) = load_rules(tmp_path)
    assert [kept.labels["signal"] for kept in group.rules] == ["spike"]
