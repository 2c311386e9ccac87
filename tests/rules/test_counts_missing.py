"""SessionEndExporterCountsMissing fires whenever a missing ledger would make `stopped` fire falsely.

Alertmanager inhibits `stopped` of a system while SessionEndExporterCountsMissing fires for it, so here
it must fire in time, and not while a replica shows the same counts.
"""

from pathlib import Path

import pytest

from exporter import names
from tests.rules.code_cases import SUCCESS
from tests.rules.rule_test import EXPORTER, LONG, SESSION_ENDS, WINDOWS, Case, RuleSet, firing
from tests.rules.series import CODES, ends, scraped, series
from tests.rules.system_cases import STOPPED_RULES

MISSING = "SessionEndExporterCountsMissing"
OTHER = CODES["softdrive", "none"]
RULES = RuleSet(
    (SESSION_ENDS, EXPORTER), (WINDOWS, LONG, "session-end-exporter"), STOPPED_RULES.records
)
KNOWN = 480
"""Minutes of an ordinary past: longer than anything looks back."""


def exporter(instance: str, ledger: str, *parts: tuple[int, float], writable: str = "") -> dict:
    """An exporter's counts of softdrive and streampixel, minute by minute: a rate, or away with 0.

    Counts go on where they were, as a ledger's do; while away there is neither series.
    """
    counts, takes, total = ["0"], ["1"], 0.0
    for minutes, rate in parts:
        for minute in range(minutes):
            total += rate
            counts.append(f"{total:g}" if rate else "_" if minute else "stale")
            takes.append("1" if rate else "_" if minute else "stale")
    return {
        ends(SUCCESS, ledger, instance): " ".join(counts),
        series(names.LEDGER_WRITABLE, {"instance": instance}): writable or " ".join(takes),
    }


def missing(case: Case, *minutes: int, ledger: str = "a") -> None:
    labels = {"alertname": MISSING, "alertstate": "firing", "severity": "ticket"}
    labels |= {"signal": "exporter", "system": "streampixel", "ledger": ledger}
    inner = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    for minute in minutes:
        case.query(minute, firing(MISSING), {f"ALERTS{{{inner}}}": 1})


@pytest.mark.parametrize("away", [2, 4, 100, 500])
def test_missing_counts_fire_before_stopped_does_falsely(tmp_path: Path, away: int) -> None:
    """The larger of two exporters with a ledger each is away, and comes back."""
    case = Case(
        exporter("exporter:1", "a", (KNOWN, 97.0), (away, 0), (180, 97.0))
        | exporter("exporter:2", "b", (KNOWN + away + 180, 3.0)),
    )
    last, span = KNOWN + away + 180, f"[{away + 180}m:1m]"
    stopped = 'ALERTS{signal="stopped", alertstate="firing"}'
    uninhibited = f"{stopped} unless on (system) {firing(MISSING)}"
    case.query(last, f"count_over_time(({uninhibited}){span})", {})
    # Without the inhibition it is a page.
    case.query(last, f"count(count_over_time({stopped}{span}))", {"{}": 1})
    RULES.check(tmp_path, case)


def test_missing_counts_fire_some_minutes_after_the_exporter_is_back(tmp_path: Path) -> None:
    case = Case(exporter("exporter:1", "a", (KNOWN, 9.0), (60, 0), (60, 9.0)))
    case.silent(KNOWN + 1, MISSING)
    missing(case, KNOWN + 2, KNOWN + 60, KNOWN + 61, KNOWN + 74)
    case.silent(KNOWN + 75, MISSING)
    RULES.check(tmp_path, case)


def test_missing_ledger_is_forgotten_when_no_window_contains_it(tmp_path: Path) -> None:
    case = Case(exporter("exporter:1", "a", (KNOWN, 9.0), (540, 0)))
    # 8 h of memory before the last ten minutes, 5 m that an instant's look finds, and 5 m of firing on.
    missing(case, KNOWN + 490)
    case.silent(KNOWN + 501, MISSING)
    RULES.check(tmp_path, case)


def check_silent(folder: Path, inputs: dict[str, str]) -> None:
    case = Case(inputs)
    case.never_fires(MISSING)
    RULES.check(folder, case)


def test_replica_that_is_down_is_silent_while_another_shows_the_ledger(
    tmp_path: Path,
) -> None:
    inputs = exporter("replica:1", "a", (KNOWN, 9.0), (100, 0), (60, 9.0))
    inputs |= exporter("replica:2", "a", (KNOWN + 160, 9.0))
    check_silent(tmp_path, inputs)


def test_replica_that_takes_over_is_silent(tmp_path: Path) -> None:
    inputs = exporter("replica:1", "a", (KNOWN, 9.0), (100, 0))
    inputs |= {
        ends(SUCCESS, "a", "replica:2"): f"_x{KNOWN} {KNOWN * 9}+9x100",
        series(names.LEDGER_WRITABLE, {"instance": "replica:2"}): f"_x{KNOWN} 1x100",
    }
    check_silent(tmp_path, inputs)


def test_replaced_damaged_ledger_is_not_missing(tmp_path: Path) -> None:
    inputs = {
        ends(SUCCESS, "a"): f"0+9x{KNOWN} stale",
        ends(SUCCESS, "b"): f"_x{KNOWN} 0+9x100",
        series(names.LEDGER_WRITABLE, {"instance": "exporter:1"}): f"1x{KNOWN + 100}",
    }
    check_silent(tmp_path, inputs)


def test_counts_of_an_exporter_that_cannot_write_are_missing(tmp_path: Path) -> None:
    full = f"1x{KNOWN} 0x60"
    case = Case(exporter("exporter:1", "a", (KNOWN + 60, 9.0), writable=full))
    case.silent(KNOWN + 1, MISSING)
    missing(case, KNOWN + 2, KNOWN + 60)
    RULES.check(tmp_path, case)


def test_replica_that_cannot_write_is_silent_while_another_can(tmp_path: Path) -> None:
    inputs = exporter("replica:1", "a", (KNOWN + 60, 9.0), writable=f"1x{KNOWN} 0x60")
    inputs |= exporter("replica:2", "a", (KNOWN + 60, 9.0))
    check_silent(tmp_path, inputs)


def test_new_exporter_is_not_missing_in_its_first_minutes(tmp_path: Path) -> None:
    inputs = exporter("exporter:1", "a", (KNOWN, 9.0))
    inputs |= {
        ends(SUCCESS, "b", "exporter:2"): f"_x100 0+9x{KNOWN - 100}",
        series(names.LEDGER_WRITABLE, {"instance": "exporter:2"}): f"_x100 1x{KNOWN - 100}",
    }
    check_silent(tmp_path, inputs)


def test_missing_counts_name_only_their_system(tmp_path: Path) -> None:
    case = Case(
        exporter("exporter:1", "a", (KNOWN, 9.0), (60, 0))
        | {
            ends(OTHER, "b", "exporter:2"): f"0+9x{KNOWN + 60}",
            series(names.LEDGER_WRITABLE, {"instance": "exporter:2"}): f"1x{KNOWN + 60}",
        },
    )
    missing(case, KNOWN + 30)
    RULES.check(tmp_path, case)


# --- change of the ledger, as docs/operate.md says ------------------------------------------------------

AFTER = 600
"""Minutes that are looked at."""


def changed(instance: str, away: int = 0) -> Case:
    """9 ends a minute into a file by exporter:1, then into the shared ledger by `instance`."""
    begin = KNOWN + away
    takes = {("exporter:1", f"1x{KNOWN} stale")} | {(instance, f"_x{begin} 1x{AFTER}")}
    if instance == "exporter:1":
        takes = {(instance, f"1x{KNOWN} " + "stale " * away + f"1x{AFTER}")}
    return Case(
        {
            ends(SUCCESS, "file"): f"0+9x{KNOWN} stale",
            ends(SUCCESS, "shared", instance): f"_x{begin} 0+9x{AFTER}",
            scraped("up", instance): f"1x{KNOWN + AFTER}",
            **{series(names.LEDGER_WRITABLE, {"instance": name}): values for name, values in takes},
        },
    )


def quiet(case: Case, alerts: str) -> None:
    """None of these fires at any time."""
    query = f'count_over_time(ALERTS{{{alerts}, alertstate="firing"}}[{KNOWN + AFTER}m:1m])'
    case.query(KNOWN + AFTER, query, {})


def test_new_ledger_at_the_same_address_fires_nothing(tmp_path: Path) -> None:
    case = changed("exporter:1")
    quiet(case, 'alertname=~".+"')
    # 45, and what `increase` makes of a counter's first and last minute.
    ends5m = f"sum by (system) ({names.RULE_COUNT}5m)"
    for minute in (1, 2, 3, 4, 5, 10):
        case.query(KNOWN + minute, f"{ends5m} < 45 - 9 or {ends5m} > 45 + 10", {})
    RULES.check(tmp_path, case)


def test_new_ledger_after_a_longer_stop_is_a_ticket_for_15_minutes(tmp_path: Path) -> None:
    away = 3
    case = changed("exporter:1", away)
    missing(case, KNOWN + away + 8, ledger="file")
    case.silent(KNOWN + away + 20, MISSING)
    RULES.check(tmp_path, case)


def test_new_ledger_at_another_address_is_a_ticket_for_eight_hours(tmp_path: Path) -> None:
    case = changed("exporter:2")
    missing(case, KNOWN + 12, KNOWN + 480, ledger="file")
    case.silent(KNOWN + 501, MISSING)
    quiet(case, 'severity="page"')
    RULES.check(tmp_path, case)
