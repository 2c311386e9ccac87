"""The short lab: the shipped rules keep their recorded figures. Files of counts have their incidents."""

import gzip
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from exporter.rule_files import RULES
from exporter.simulate.history import DAY, HOUR, History
from exporter.simulate.incidents import KINDS
from exporter.simulate.profiles import SYSTEMS
from exporter.simulate.scenario import MONDAY, simulate
from exporter.simulate.traffic import Traffic
from tests.lab.cases import BUDGET_KEPT, LAB_KINDS, STANDARD, STANDARD_DAYS, SYSTEM, office
from tests.lab.families import Alarm
from tests.lab.recorded import short, worse
from tests.lab.recordings import recording
from tests.lab.runs import cases
from tests.lab.score import sent_pages
from tests.programs import finished
from tests.rule_groups import groups, keep_alerts


def test_shipped_rules_are_not_worse_than_recorded() -> None:
    assert worse(short()) == []


@pytest.fixture(scope="module", params=SYSTEMS)
def month(request: pytest.FixtureRequest) -> History:
    return simulate(request.param, Traffic(10.0), STANDARD_DAYS, STANDARD, step=60.0)


def test_standard_month_has_incidents_eight_hours_apart(month: History) -> None:
    alerting = [incident for incident in month.incidents if incident.expects != "nothing"]
    assert 19 <= len(alerting) <= 22
    assert sum(incident.expects == "page" for incident in alerting) >= 17
    assert min(later.start - earlier.end for earlier, later in pairwise(alerting)) >= 8 * HOUR
    assert {int(incident.start % DAY // (6 * HOUR)) for incident in alerting} == {0, 1, 2, 3}
    assert sum((incident.start - MONDAY) // DAY % 7 >= 5 for incident in alerting) >= 4
    assert sum(incident.end <= MONDAY + 3 * DAY for incident in alerting) == 3
    assert all(incident.end <= month.end for incident in month.incidents)


def test_standard_month_has_every_incident_of_the_system(month: History) -> None:
    known = {name for name, kind in KINDS.items() if month.system in kind.codes}
    assert {incident.name for incident in month.incidents} == known - {"slow-retries"}


def ordinary(*kinds: str) -> History:
    plan = [(kind, 0.0) for kind in kinds]
    return simulate(SYSTEM, Traffic(1e5, burst_scale=0.0), 4.0, plan, kinds=LAB_KINDS)


def test_office_hours_begin_a_weekend_at_midnight() -> None:
    """Fails also when the load is not relative to the mean of a week."""
    at = MONDAY + np.array([10.0, 12.5, 5 * 24 - 0.01, 5 * 24 + 0.01, 5 * 24 + 10]) * HOUR
    assert office(at) == pytest.approx([1.0, 0.3, 0.02, 0.0004, 0.02], rel=0.01)
    total = ordinary("office hours").expected.sum()
    # Four of five working days, and one hour of 1e5 ends is a mean hour of the week.
    assert total == pytest.approx(96e5 * 7 / 5.04, rel=0.01)


def test_bursty_counts_vary_periods_of_five_minutes_and_keep_the_mean() -> None:
    swung, plain = (ordinary(*kinds).expected.sum(axis=1) for kinds in (["bursty counts"], []))
    periods = (swung / plain).reshape(-1, 20)
    assert periods == pytest.approx(np.repeat(periods[:, :1], 20, axis=1))
    assert periods.mean() == pytest.approx(1.0, rel=0.1)
    assert periods.std() == pytest.approx(0.9, rel=0.15)


def test_usual_share_of_a_code_is_at_the_expense_of_successes() -> None:
    history, plain = ordinary("usual 30 %"), ordinary()
    parts, before = (each.expected.sum(axis=0) / each.expected.sum() for each in (history, plain))
    assert history.expected.sum() == pytest.approx(plain.expected.sum())
    changed = np.flatnonzero(~np.isclose(parts, before))
    assert [history.codes[column] for column in changed] == ["1000", "1001", "4006"]
    assert parts[history.codes.index("4006")] == pytest.approx(0.3, rel=0.1)


def test_recovery_follows_directly_after_a_stop() -> None:
    """Fails when the duration of a stop changes and the recovery does not move."""
    stops = {onset + KINDS["stop"].seconds for name, onset in STANDARD if name == "stop"}
    recoveries = {onset for name, onset in STANDARD if name == "recovery"}
    assert recoveries
    assert recoveries <= stops


def budget_rules(target: Path, keep_firing_for: str) -> Path:
    """Writes the alert for the error budget and only the rules that it reads, which takes a fifth of the
    time."""
    files = {"session-ends.yml": groups()["session-ends.yml"]}
    keep_alerts(["SessionEndBudgetBurn"], files)
    target.mkdir()
    text = yaml.safe_dump({"groups": files["session-ends.yml"]})
    text = text.replace("keep_firing_for: 1d", f"keep_firing_for: {keep_firing_for}")
    (target / "session-ends.yml").write_text(text)
    return target


def test_kept_budget_opens_few_tickets(tmp_path: Path) -> None:
    """Fails when random variation reopens a ticket: 28 tickets per system with 15 min of
    `keep_firing_for`."""

    def tickets(duration: str) -> int:
        rules = budget_rules(tmp_path / duration, duration)
        (score,) = cases((BUDGET_KEPT,), (1,), rules=rules, volumes=(10_000,)).values()
        return score.budgets

    assert "keep_firing_for: 1d" in (RULES / "session-ends.yml").read_text()
    assert 0 < tickets("1d") <= 2 * 8 < tickets("15m")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([("a", 0, 30)], [0.67]),
        # Two that rise together, and one that joins later.
        ([("a", 0, 30), ("b", 0.5, 30)], [0.67]),
        ([("a", 0, 30), ("b", 5, 30)], [0.67, 10.67]),
        # Gone, and back within the interval or later; one of two gone and back.
        ([("a", 0, 31), ("a", 39, 60)], [0.67]),
        ([("a", 0, 30), ("a", 45, 60)], [0.67, 45.67]),
        ([("a", 0, 90), ("b", 0, 5), ("b", 25, 40)], [0.67, 30.67]),
        # A page is repeated every four hours, until the end of the history.
        ([("a", 0, 600)], [0.67, 240.67, 480.67]),
    ],
)
def test_group_of_pages_is_notified_of_new_alerts(
    given: list[tuple[str, float, float]], expected: list[float]
) -> None:
    """Codes with their pages in minutes. A ticket is no page."""
    alarms = [
        Alarm({"code": code, "severity": "page"}, 60 * start, 60 * end)
        for code, start, end in given
    ]
    alarms.append(Alarm({"severity": "ticket"}, 0, 60_000))
    assert [round(at / 60, 2) for at in sent_pages(alarms, 501 * 60)] == expected


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--plot", "a.svg", "--case", "day one"), "--plot: needs --case standard"),
        (("--case", "day two"), "--case: no case begins with 'day two'"),
    ],
    ids=["plot", "case"],
)
def test_flags_without_a_needed_case_are_an_error(flags: tuple[str, ...], message: str) -> None:
    done = finished(sys.executable, "-m", "tests.lab", "--seeds", "1", "--volume", "100", *flags)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"python -m tests.lab: error: {message}"


def test_recorded_counts_have_their_labeled_incidents(tmp_path: Path) -> None:
    """A fall of traffic expects a page only while traffic is down."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"t,code,n\n0,1000,3\n30,4006,2\n"))
    rise = {"start": 600, "end": 1200, "codes": ["4006"]}
    falls = [
        {"start": 2000, "end": 4000, "codes": [], "down": down} for down in ([0, 0], [2500, 5])
    ]
    (tmp_path / "labels.json").write_text(json.dumps({"a": [rise, *falls], "b": [rise]}))
    item = recording(path)
    assert item.counters.codes == ("1000", "4006")
    assert item.counters.totals[-1].tolist() == [3, 2]
    assert [
        (incident.start, incident.end, incident.codes, incident.signals, best is None)
        for incident, best in item.incidents.items()
    ] == [
        (600, 1200, ("4006",), ("spike",), False),
        (2000, 4000, (), (), True),
        (2500, 2800, (), ("stopped",), False),
    ]
