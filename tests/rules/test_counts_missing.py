"""A ledger that is lost from sight: what its hole in the counts does to `stopped` is inhibited, no more.

Alertmanager inhibits `stopped` of a system while SessionEndExporterCountsMissing fires for it, so here
the one must fire whenever the other does falsely, and not when a replica makes up for what is lost.
"""

from pathlib import Path

import pytest

from exporter import names
from tests.rules import system_cases
from tests.rules.promtool import (
    CODES,
    EXPORTER,
    LONG_GROUP,
    SESSION_ENDS,
    WINDOWS_GROUP,
    Case,
    ends,
    run,
    series,
)

MISSING = "SessionEndExporterCountsMissing"
SUCCESS, OTHER = CODES["streampixel", "1000"], CODES["softdrive", "none"]
FILES = (SESSION_ENDS, EXPORTER)
ONLY = (WINDOWS_GROUP, LONG_GROUP, "session-end-exporter")
RECORDS = system_cases.STOPPED_READS
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
        query = f'ALERTS{{alertname="{MISSING}", alertstate="firing"}}'
        case.query(f"{minute}m", query, {f"ALERTS{{{inner}}}": 1})


@pytest.mark.parametrize("away", [2, 3, 4, 20, 100, 300, 500])
def test_the_loss_of_most_of_a_systems_counts_is_told_before_its_stopped_would_be(
    tmp_path: Path, away: int
) -> None:
    """The larger of two exporters with a ledger each is away, and comes back."""
    case = Case(
        "1m",
        exporter("exporter:1", "a", (KNOWN, 97.0), (away, 0), (180, 97.0))
        | exporter("exporter:2", "b", (KNOWN + away + 180, 3.0)),
    )
    last, span = f"{KNOWN + away + 180}m", f"[{away + 180}m:1m]"
    stopped = 'ALERTS{signal="stopped", alertstate="firing"}'
    told = f'ALERTS{{alertname="{MISSING}", alertstate="firing"}}'
    false = f"count_over_time(({stopped} unless on (system) {told}){span})"
    case.query(last, false, {})
    # Without the inhibition it is a page.
    case.query(last, f"count(count_over_time({stopped}{span}))", {"{}": 1})
    assert run(tmp_path, FILES, case, only=ONLY, records=RECORDS) == ""


def test_an_exporter_that_comes_back_is_told_of_for_a_while_longer(tmp_path: Path) -> None:
    case = Case("1m", exporter("exporter:1", "a", (KNOWN, 9.0), (60, 0), (60, 9.0)))
    case.silent(f"{KNOWN + 1}m", MISSING)
    missing(case, KNOWN + 2, KNOWN + 60, KNOWN + 61, KNOWN + 74)
    case.silent(f"{KNOWN + 75}m", MISSING)
    assert run(tmp_path, FILES, case, only=ONLY, records=RECORDS) == ""


def test_a_ledger_is_forgotten_when_nothing_compares_with_it_any_more(tmp_path: Path) -> None:
    case = Case("1m", exporter("exporter:1", "a", (KNOWN, 9.0), (540, 0)))
    # 8 h of memory before the last ten minutes, 5 m that an instant's look finds, and 5 m of firing on.
    missing(case, KNOWN + 490)
    case.silent(f"{KNOWN + 501}m", MISSING)
    assert run(tmp_path, FILES, case, only=ONLY, records=RECORDS) == ""


def silent(folder: Path, inputs: dict[str, str], minutes: int) -> str:
    case = Case("1m", inputs)
    for minute in range(1, minutes):
        case.silent(f"{minute}m", MISSING)
    return run(folder, FILES, case, only=ONLY, records=RECORDS)


def test_a_replica_that_is_down_hides_nothing_while_another_shows_the_ledger(
    tmp_path: Path,
) -> None:
    inputs = exporter("replica:1", "a", (KNOWN, 9.0), (100, 0), (60, 9.0))
    inputs |= exporter("replica:2", "a", (KNOWN + 160, 9.0))
    assert silent(tmp_path, inputs, KNOWN + 160) == ""


def test_a_replica_that_takes_over_hides_nothing(tmp_path: Path) -> None:
    inputs = exporter("replica:1", "a", (KNOWN, 9.0), (100, 0))
    inputs |= {
        ends(SUCCESS, "a", "replica:2"): f"_x{KNOWN} {KNOWN * 9}+9x100",
        series(names.LEDGER_WRITABLE, {"instance": "replica:2"}): f"_x{KNOWN} 1x100",
    }
    assert silent(tmp_path, inputs, KNOWN + 100) == ""


def test_a_ledger_that_was_damaged_and_replaced_is_not_missing(tmp_path: Path) -> None:
    inputs = {
        ends(SUCCESS, "a"): f"0+9x{KNOWN} stale",
        ends(SUCCESS, "b"): f"_x{KNOWN} 0+9x100",
        series(names.LEDGER_WRITABLE, {"instance": "exporter:1"}): f"1x{KNOWN + 100}",
    }
    assert silent(tmp_path, inputs, KNOWN + 100) == ""


def test_counts_that_are_shown_by_an_exporter_that_cant_write_are_missing(tmp_path: Path) -> None:
    full = f"1x{KNOWN} 0x60"
    case = Case("1m", exporter("exporter:1", "a", (KNOWN + 60, 9.0), writable=full))
    case.silent(f"{KNOWN + 1}m", MISSING)
    missing(case, KNOWN + 2, KNOWN + 60)
    assert run(tmp_path, FILES, case, only=ONLY, records=RECORDS) == ""


def test_a_replica_that_cant_write_hides_nothing_while_another_can(tmp_path: Path) -> None:
    inputs = exporter("replica:1", "a", (KNOWN + 60, 9.0), writable=f"1x{KNOWN} 0x60")
    inputs |= exporter("replica:2", "a", (KNOWN + 60, 9.0))
    assert silent(tmp_path, inputs, KNOWN + 60) == ""


def test_a_new_exporter_is_not_missing_in_its_first_minutes(tmp_path: Path) -> None:
    inputs = exporter("exporter:1", "a", (KNOWN, 9.0))
    inputs |= {
        ends(SUCCESS, "b", "exporter:2"): f"_x100 0+9x{KNOWN - 100}",
        series(names.LEDGER_WRITABLE, {"instance": "exporter:2"}): f"_x100 1x{KNOWN - 100}",
    }
    assert silent(tmp_path, inputs, KNOWN) == ""


def test_only_the_system_whose_counts_are_missing_is_named(tmp_path: Path) -> None:
    case = Case(
        "1m",
        exporter("exporter:1", "a", (KNOWN, 9.0), (60, 0))
        | {
            ends(OTHER, "b", "exporter:2"): f"0+9x{KNOWN + 60}",
            series(names.LEDGER_WRITABLE, {"instance": "exporter:2"}): f"1x{KNOWN + 60}",
        },
    )
    missing(case, KNOWN + 30)
    assert run(tmp_path, FILES, case, only=ONLY, records=RECORDS) == ""
