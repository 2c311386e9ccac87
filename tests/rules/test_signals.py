"""Each signal: silent just before, firing with exact labels and annotations, a near miss silent."""

from collections.abc import Mapping
from pathlib import Path

from exporter import names
from tests.rules.promtool import CODES, WINDOWS, Case, counted, ends, run, share

SUCCESS, OUTAGE = CODES["streampixel", "1000"], CODES["streampixel", "4001"]
RESTART, NONE = CODES["softdrive", "13"], CODES["softdrive", "none"]
STREAMPIXEL = (WINDOWS, "alerts-streampixel.yml")
SOFTDRIVE = (WINDOWS, "alerts-softdrive.yml")
OUTAGE_LABELS = {
    "system": "streampixel",
    "code": "4001",
    "phase": "connect",
    "category": "capacity",
    "owner": "capacity",
}
OUTAGE_LINKS = {
    "runbook_url": "http://127.0.0.1:10401/codes/streampixel/4001",
    "dashboard_url": "http://127.0.0.1:3000/d/session-end-code?var-system=streampixel&var-code=4001",
}
OUTAGE_TEXT = f"Causes: {OUTAGE.causes}\nFix: {OUTAGE.fix}"
SYSTEM_LINKS = {
    "runbook_url": "http://127.0.0.1:10401/",
    "dashboard_url": "http://127.0.0.1:3000/d/session-end-code?var-system=streampixel",
}


def streampixel(successes: list[float], outage: list[float], usual: float = 0.001) -> Case:
    """A value a minute; the share of 4001 is an input."""
    return Case(
        "1m",
        {
            ends(SUCCESS): counted(successes),
            ends(OUTAGE): counted(outage),
            share(OUTAGE): f"{usual}x{len(outage)}",
        },
    )


def softdrive(successes: list[float], restarts: list[float]) -> Case:
    return Case(
        "1m",
        {
            ends(NONE): counted(successes),
            ends(RESTART): counted(restarts),
            share(RESTART): f"0.01x{len(restarts)}",
        },
    )


def with_labels(case: Case, at: str, alert: str, severity: str, signal: str, **more: str) -> None:
    """Checks the labels alone."""
    labels = {"alertname": alert, "severity": severity, "signal": signal} | more
    inner = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    case.query(
        at,
        f'ALERTS{{alertname="{alert}", alertstate="firing"}}',
        {f'ALERTS{{alertstate="firing", {inner}}}': 1},
    )


def test_a_spike_fires_a_minute_after_its_limit_and_not_before(tmp_path: Path) -> None:
    alert = "StreampixelNoWorkerNodeAvailableSpike"
    case = streampixel([16.0] * 90, [0.0] * 60 + [8.0] * 30)
    # The third change comes at 63 m, well above the limit; the rule's `for` is a minute more.
    case.silent("63m", alert)
    with_labels(case, "64m", alert, "page", "spike", **OUTAGE_LABELS)
    annotations = {
        "summary": "4001 No Worker Node Available spike on streampixel",
        "description": "40 in 5m, usual 0.1; 33.33% of all ends. Since 1970-01-01 01:03:00 +0000 UTC.\n"
        + OUTAGE_TEXT,
    }
    labels = {"severity": "page", "signal": "spike"} | OUTAGE_LABELS
    case.firing("70m", alert, labels, annotations | OUTAGE_LINKS)
    assert run(tmp_path, STREAMPIXEL, case) == ""


def test_a_spike_ends_five_minutes_after_its_share_is_usual_again(tmp_path: Path) -> None:
    alert = "StreampixelNoWorkerNodeAvailableSpike"
    case = streampixel([16.0] * 120, [0.0] * 60 + [8.0] * 20 + [0.0] * 40)
    with_labels(case, "88m", alert, "page", "spike", **OUTAGE_LABELS)
    case.silent("92m", alert)
    assert run(tmp_path, STREAMPIXEL, case) == ""


def test_twenty_an_hour_are_no_spike_and_twenty_four_are(tmp_path: Path) -> None:
    # limit1h among 1,000 ends, 1 usual: 2.5 + 4 + 4 + 10 = 20.5.
    alert = "StreampixelNoWorkerNodeAvailableSpike"
    near = streampixel([980 / 60] * 150, [20 / 60] * 150)
    near.silent("150m", alert)
    above = streampixel([976 / 60] * 150, [24 / 60] * 150)
    with_labels(above, "150m", alert, "page", "spike", **OUTAGE_LABELS)
    assert run(tmp_path, STREAMPIXEL, near, above) == ""


def test_one_burst_is_no_spike_and_a_third_minute_of_it_is(tmp_path: Path) -> None:
    alert = "StreampixelNoWorkerNodeAvailableSpike"
    burst = streampixel([16.0] * 75, [0.0] * 60 + [40.0, 40.0] + [0.0] * 13)
    third = streampixel([16.0] * 75, [0.0] * 60 + [40.0, 40.0, 1.0] + [0.0] * 12)
    for minute in (62, 63, 64, 65, 66):
        burst.silent(f"{minute}m", alert)
    with_labels(third, "65m", alert, "page", "spike", **OUTAGE_LABELS)
    assert run(tmp_path, STREAMPIXEL, burst, third) == ""


def test_a_planned_code_fires_its_overrun_above_fifteen_percent_only(tmp_path: Path) -> None:
    alert = "SoftdriveServerRestartOverrun"
    near = softdrive([17.2] * 90, [2.8] * 90)
    near.silent("90m", alert)
    above = softdrive([16.0] * 90, [4.0] * 90)
    above.silent("6m", alert)
    above.firing(
        "90m",
        alert,
        {
            "severity": "ticket",
            "signal": "overrun",
            "system": "softdrive",
            "code": "13",
            "phase": "stream",
            "category": "connection_restart_auth",
            "owner": "platform",
        },
        {
            "summary": "13 ServerRestart overrun on softdrive",
            "description": "240 in 1h, usual 12.0; 20% of all ends. "
            "Since 1970-01-01 00:02:00 +0000 UTC.\n"
            f"Causes: {RESTART.causes}\nFix: {RESTART.fix}",
            "runbook_url": "http://127.0.0.1:10401/codes/softdrive/13",
            "dashboard_url": "http://127.0.0.1:3000/d/session-end-code?var-system=softdrive&var-code=13",
        },
    )
    assert run(tmp_path, SOFTDRIVE, near, above) == ""


def test_a_creep_below_the_page_is_elevated_after_hours(tmp_path: Path) -> None:
    # 1 % usual of 1,000 an hour: limit6h = 2.5 + 120 + 4 * sqrt(60) + 24 = 177.5; the page is at 75 an hour.
    alert, minutes = "StreampixelNoWorkerNodeAvailableElevated", 480
    creep = streampixel([960 / 60] * minutes, [10 / 60] * 60 + [40 / 60] * (minutes - 60), 0.01)
    creep.silent("162m", alert)
    creep.silent(f"{minutes}m", "StreampixelNoWorkerNodeAvailableSpike")
    creep.firing(
        f"{minutes}m",
        alert,
        {"severity": "ticket", "signal": "elevated"} | OUTAGE_LABELS,
        {
            "summary": "4001 No Worker Node Available elevated on streampixel",
            "description": "240 in 6h, usual 60.0; 4% of all ends. "
            "Since 1970-01-01 02:14:00 +0000 UTC.\n" + OUTAGE_TEXT,
        }
        | OUTAGE_LINKS,
    )
    # limit1d = 2.5 + 1.5 * 82 + 4 * sqrt(82) + 16 = 177 in the eight hours that there are.
    near = streampixel([980 / 60] * minutes, [20 / 60] * minutes, 0.01)
    near.silent(f"{minutes}m", alert)
    only = (
        "session-ends-windows",
        "session-ends-long",
        "session-ends-streampixel",
        "session-ends-streampixel-long",
    )
    assert run(tmp_path, STREAMPIXEL, creep, near, step="2m", only=only) == ""


def weeks(outage: Mapping[int, float], hours: int) -> Case:
    """Four values an hour, most with nothing of 4001; `outage` says in which hours there is some."""
    steps = [part for hour in range(hours) for part in (outage.get(hour, 0.0), 0.0, 0.0, 0.0)]
    return Case("15m", {ends(SUCCESS): counted([10.0] * (hours * 4)), ends(OUTAGE): counted(steps)})


def test_a_code_is_new_when_a_system_that_is_known_for_a_day_has_it_first(tmp_path: Path) -> None:
    alert = "StreampixelNoWorkerNodeAvailableNew"
    first = weeks({30: 3}, 32)
    first.silent("1800m", alert)
    first.firing(
        "1830m",
        alert,
        {"severity": "ticket", "signal": "new"} | OUTAGE_LABELS,
        {
            "summary": "4001 No Worker Node Available new on streampixel",
            "description": "3 in 1h, none in the 7d before.\n" + OUTAGE_TEXT,
        }
        | OUTAGE_LINKS,
    )
    learning = weeks({20: 3}, 22)
    one = weeks({30: 1}, 32)
    remembered = weeks({2: 1, 100: 3}, 102)
    for case, at in ((learning, "1230m"), (one, "1830m"), (remembered, "6030m")):
        case.silent(at, alert)
    forgotten = weeks({2: 1, 180: 3}, 182)
    with_labels(forgotten, "10830m", alert, "ticket", "new", **OUTAGE_LABELS)
    only = (
        "session-ends-windows",
        "session-ends-long",
        "session-ends-snapshots",
        "session-ends-streampixel-long",
    )
    cases = (first, learning, one, remembered, forgotten)
    read = (
        names.RULE_SUM,
        names.RULE_COUNT + "1h",
        names.RULE_COUNT + "1d",
        names.RULE_ENDS + "1d",
        names.RULE_COUNT + "1d" + names.RULE_SNAPSHOT,
        names.RULE_ENDS + "1d" + names.RULE_SNAPSHOT,
        names.RULE_NEW,
    )
    assert run(tmp_path, STREAMPIXEL, *cases, step="15m", only=only, records=read) == ""


def test_successes_that_stop_fire_within_minutes_and_an_eighth_of_them_does_not(
    tmp_path: Path,
) -> None:
    alert = "StreampixelStopped"
    stops = streampixel([20.0] * 120 + [0.0] * 20, [1.0] * 140, 0.05)
    stops.silent("121m", alert)
    stops.firing(
        "124m",
        alert,
        {"severity": "page", "signal": "stopped", "system": "streampixel"},
        {
            "summary": "Successful session ends stopped on streampixel",
            "description": "Fewer than 7% of the successes of the 1h before: sessions no longer reach a "
            "normal end, or their ends no longer reach the exporter. Ends of any kind in 5m: 25. "
            "Since 1970-01-01 02:02:00 +0000 UTC.",
        }
        | SYSTEM_LINKS,
    )
    near = streampixel([20.0] * 120 + [2.5] * 60, [1.0] * 180, 0.05)
    for minute in range(121, 180, 4):
        near.silent(f"{minute}m", alert)
    assert run(tmp_path, STREAMPIXEL, stops, near) == ""


def test_an_exporter_that_is_away_and_comes_back_is_not_a_stop(tmp_path: Path) -> None:
    alert = "StreampixelStopped"
    for away in (3, 20, 100):
        before = counted([20.0] * 180)
        after = counted([20.0] * 120).split(" ")
        gone = " ".join(["stale"] + ["_"] * (away - 1))
        case = Case("1m", {ends(SUCCESS): f"{before} {gone} {' '.join(after)}"})
        for minute in range(180, 181 + away + 120, 3):
            case.silent(f"{minute}m", alert)
        assert (
            run(
                tmp_path,
                STREAMPIXEL,
                case,
                only=("session-ends-windows", "session-ends-streampixel"),
            )
            == ""
        )


def test_a_budget_burns_at_a_fast_and_a_slow_rate_and_not_below(tmp_path: Path) -> None:
    alert, minutes = "StreampixelBudget", 130
    # 14.4 * 0.5 % = 7.2 % within an hour; 6 * 0.5 % = 3 % within six, so far the same.
    fast = streampixel([18.0] * minutes, [0.0] * 70 + [2.0] * 60, 0.1)
    fast.silent("100m", alert)
    with_labels(fast, "101m", alert, "ticket", "budget", system="streampixel")
    fast.firing(
        "130m",
        alert,
        {"severity": "ticket", "signal": "budget", "system": "streampixel"},
        {
            "summary": "Error budget burns too fast on streampixel",
            "description": "9.998% of the sessions that count failed; the objective allows 0.5% of them "
            "over 30d. Since 1970-01-01 01:39:00 +0000 UTC.",
        }
        | SYSTEM_LINKS,
    )
    good = streampixel([1000.0] * minutes, [4.9] * minutes, 0.1)
    few = streampixel([1.0] * minutes, [0.0] * 100 + [0.3] * 30, 0.1)
    for case in (good, few):
        case.silent("130m", alert)
    assert run(tmp_path, STREAMPIXEL, fast, good, few) == ""
