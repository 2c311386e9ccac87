"""An exporter whose counts go on in another ledger, from a file to Redis or back: what the alerts make of it,
as docs/operate.md says."""

from pathlib import Path

from exporter import names
from tests.rules.promtool import CODES, Case, ends, run, series
from tests.rules.test_counts_missing import FILES, KNOWN, MISSING, ONLY, RECORDS, missing

SUCCESS = CODES["streampixel", "1000"]
AFTER = 600
"""Minutes that are looked at."""


def changed(instance: str, away: int = 0) -> Case:
    """9 ends a minute into a file by exporter:1, then into the shared ledger by `instance`."""
    begin = KNOWN + away
    takes = {("exporter:1", f"1x{KNOWN} stale")} | {(instance, f"_x{begin} 1x{AFTER}")}
    if instance == "exporter:1":
        takes = {(instance, f"1x{KNOWN} " + "stale " * away + f"1x{AFTER}")}
    return Case(
        "1m",
        {
            ends(SUCCESS, "file"): f"0+9x{KNOWN} stale",
            ends(SUCCESS, "shared", instance): f"_x{begin} 0+9x{AFTER}",
            series(
                "up", {"instance": instance, "job": "session-end-exporter"}
            ): f"1x{KNOWN + AFTER}",
            **{series(names.LEDGER_WRITABLE, {"instance": one}): values for one, values in takes},
        },
    )


def quiet(case: Case, alerts: str) -> None:
    """None of these fires at any time."""
    query = f'count_over_time(ALERTS{{{alerts}, alertstate="firing"}}[{KNOWN + AFTER}m:1m])'
    case.query(f"{KNOWN + AFTER}m", query, {})


def test_at_the_same_address_nobody_is_told_and_the_counts_go_on(tmp_path: Path) -> None:
    case = changed("exporter:1")
    quiet(case, 'alertname=~".+"')
    # 45, and what `increase` makes of a counter's first and last minute.
    ends5m = f"sum by (system) ({names.RULE_COUNT}5m)"
    for minute in (1, 2, 3, 4, 5, 10):
        case.query(f"{KNOWN + minute}m", f"{ends5m} < 45 - 9 or {ends5m} > 45 + 10", {})
    assert run(tmp_path, FILES, case, only=ONLY, records=RECORDS) == ""


def test_after_a_longer_stop_it_is_a_ticket_for_a_quarter_of_an_hour(tmp_path: Path) -> None:
    away = 3
    case = changed("exporter:1", away)
    missing(case, KNOWN + away + 8, ledger="file")
    case.silent(f"{KNOWN + away + 20}m", MISSING)
    assert run(tmp_path, FILES, case, only=ONLY, records=RECORDS) == ""


def test_under_another_address_it_is_a_ticket_for_eight_hours_and_no_page(tmp_path: Path) -> None:
    case = changed("exporter:2")
    missing(case, KNOWN + 12, KNOWN + 480, ledger="file")
    case.silent(f"{KNOWN + 501}m", MISSING)
    quiet(case, 'severity="page"')
    assert run(tmp_path, FILES, case, only=ONLY, records=RECORDS) == ""
