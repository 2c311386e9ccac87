"""SessionEndExporterCountsMissing fires when a missing ledger would make SessionEndsStopped fire falsely.

Alertmanager inhibits SessionEndsStopped of a system while SessionEndExporterCountsMissing fires for it.
"""

from pathlib import Path

import pytest

from exporter import names
from tests.rule_groups import alerts
from tests.rules.code_cases import SUCCESS
from tests.rules.rule_test import Case, RuleSet, firing
from tests.rules.series import CODES, ends, in_cluster, scraped, series
from tests.rules.system_cases import STOPPED

MISSING = "SessionEndExporterCountsMissing"
RULES = RuleSet((MISSING, STOPPED))
# Only promtool evaluates this alert, a hundred times slower. No case here has the histogram that it reads.
ALL = RuleSet(tuple(alerts().keys() - {"SessionEndExporterEventsDelayed"}))
KNOWN = 480
"""Minutes of normal traffic, which are longer than any window."""
AFTER = 600


def writable(instance: str, values: str) -> dict[str, str]:
    return {series(names.LEDGER_WRITABLE, {"instance": instance}): values}


def exporter(instance: str, ledger: str, *parts: tuple[int, float]) -> dict[str, str]:
    """An exporter's counts: minutes and ends per minute of each part. With a rate of 0 it has no series.

    Its counter continues where it was.
    """
    counts, ones, total = ["0"], ["1"], 0.0
    for minutes, rate in parts:
        for minute in range(minutes):
            total += rate
            absent = "_" if minute else "stale"
            counts.append(f"{total:g}" if rate else absent)
            ones.append("1" if rate else absent)
    counter = {ends(SUCCESS, ledger, instance): " ".join(counts)}
    return counter | writable(instance, " ".join(ones))


def missing(case: Case, *minutes: int, ledger: str = "a") -> None:
    labels = {"alertname": MISSING, "alertstate": "firing", "severity": "ticket"}
    labels |= {"signal": "exporter", "system": "streampixel", "ledger": ledger}
    for minute in minutes:
        case.query(minute, firing(MISSING), {series("ALERTS", labels): 1})


@pytest.mark.parametrize("minutes", [2, 4, 100, 500])
def test_missing_counts_fire_before_stopped_does_falsely(tmp_path: Path, minutes: int) -> None:
    """Of two exporters with one ledger each, the one with more traffic is absent and comes back."""
    case = Case(
        exporter("exporter:1", "a", (KNOWN, 97.0), (minutes, 0), (180, 97.0))
        | exporter("exporter:2", "b", (KNOWN + minutes + 180, 3.0))
    )
    last, span = KNOWN + minutes + 180, f"[{minutes + 180}m:1m]"
    stopped = firing(STOPPED)
    uninhibited = f"{stopped} unless on (system) {firing(MISSING)}"
    case.query(last, f"count_over_time(({uninhibited}){span})", {})
    # Without the inhibition, SessionEndsStopped pages.
    case.query(last, f"count(count_over_time({stopped}{span}))", {"{}": 1})
    RULES.check(tmp_path, case)


def test_missing_counts_end_when_counts_return_or_are_forgotten(tmp_path: Path) -> None:
    back = Case(exporter("exporter:1", "a", (KNOWN, 9.0), (60, 0), (60, 9.0)))
    back.silent(KNOWN + 1, MISSING)
    missing(back, KNOWN + 2, KNOWN + 60, KNOWN + 61, KNOWN + 74)
    back.silent(KNOWN + 75, MISSING)
    # The alert ends after 8 h of memory, 10 min, 5 min of lookback and 5 min of `keep_firing_for`.
    gone = Case(exporter("exporter:1", "a", (KNOWN, 9.0), (540, 0)))
    missing(gone, KNOWN + 490)
    gone.silent(KNOWN + 501, MISSING)
    read_only = exporter("exporter:1", "a", (KNOWN + 60, 9.0))
    full = Case(read_only | writable("exporter:1", f"1x{KNOWN} 0x60"))
    full.silent(KNOWN + 1, MISSING)
    missing(full, KNOWN + 2, KNOWN + 60)
    # Only streampixel's counts are missing here.
    softdrive = {ends(CODES["softdrive", "none"], "b", "exporter:2"): f"0+9x{KNOWN + 60}"}
    softdrive |= writable("exporter:2", f"1x{KNOWN + 60}")
    other = Case(exporter("exporter:1", "a", (KNOWN, 9.0), (60, 0)) | softdrive)
    missing(other, KNOWN + 30)
    RULES.check(tmp_path, back, gone, full, other)


def test_missing_counts_are_silent_while_all_counts_are_shown(tmp_path: Path) -> None:
    whole = exporter("replica:2", "a", (KNOWN + 160, 9.0))
    takes_over = {ends(SUCCESS, "a", "replica:2"): f"_x{KNOWN} {KNOWN * 9}+9x100"}
    replaced = {ends(SUCCESS, "a"): f"0+9x{KNOWN} stale", ends(SUCCESS, "b"): f"_x{KNOWN} 0+9x100"}
    new = {ends(SUCCESS, "b", "exporter:2"): f"_x100 0+9x{KNOWN - 100}"}
    cases = [
        Case(inputs)
        for inputs in (
            # Another replica shows the ledger while a replica is down,
            exporter("replica:1", "a", (KNOWN, 9.0), (100, 0), (60, 9.0)) | whole,
            # or cannot write.
            exporter("replica:1", "a", (KNOWN + 160, 9.0))
            | writable("replica:1", f"1x{KNOWN} 0x160")
            | whole,
            exporter("replica:1", "a", (KNOWN, 9.0), (100, 0))
            | takes_over
            | writable("replica:2", f"_x{KNOWN} 1x100"),
            # A new ledger replaces a damaged one.
            replaced | writable("exporter:1", f"1x{KNOWN + 100}"),
            # An exporter is new.
            exporter("exporter:1", "a", (KNOWN, 9.0))
            | new
            | writable("exporter:2", f"_x100 1x{KNOWN - 100}"),
        )
    ]
    for case in cases:
        case.never_fires(MISSING)
    RULES.check(tmp_path, *cases)


def changed(instance: str, stop: int = 0) -> Case:
    """9 ends a minute into a file by exporter:1, then into the shared ledger by `instance`."""
    begin = KNOWN + stop
    if instance == "exporter:1":
        ones = writable(instance, f"1x{KNOWN} " + "stale " * stop + f"1x{AFTER}")
    else:
        ones = writable("exporter:1", f"1x{KNOWN} stale")
        ones |= writable(instance, f"_x{begin} 1x{AFTER}")
    return Case(
        {
            ends(SUCCESS, "file"): f"0+9x{KNOWN} stale",
            ends(SUCCESS, "shared", instance): f"_x{begin} 0+9x{AFTER}",
            scraped("up", instance): f"1x{KNOWN + AFTER}",
            **ones,
        }
    )


def silent(case: Case, labels: str) -> None:
    query = f'count_over_time(ALERTS{{{labels}, alertstate="firing"}}[{KNOWN + AFTER}m:1m])'
    case.query(KNOWN + AFTER, query, {})


def test_new_ledger_fires_as_documented(tmp_path: Path) -> None:
    same_address = changed("exporter:1")
    silent(same_address, 'signal!="watchdog"')
    # 45, plus or minus the extrapolation of a counter's first and last minute.
    ends5m = f"sum by (system) ({names.RULE_COUNT}5m)"
    for minute in (1, 2, 3, 4, 5, 10):
        same_address.query(KNOWN + minute, f"{ends5m} < 45 - 9 or {ends5m} > 45 + 10", {})
    stop = changed("exporter:1", 3)
    missing(stop, KNOWN + 3 + 8, ledger="file")
    stop.silent(KNOWN + 3 + 20, MISSING)
    other_address = changed("exporter:2")
    missing(other_address, KNOWN + 12, KNOWN + 480, ledger="file")
    other_address.silent(KNOWN + 501, MISSING)
    silent(other_address, 'severity="page"')
    ALL.check(tmp_path, same_address, stop, other_address)


def test_exporter_of_another_cluster_does_not_hide_missing_counts(tmp_path: Path) -> None:
    """Both exporters have the same address. Alertmanager inhibits SessionEndsStopped by cluster and
    system."""
    inputs: dict[str, str] = {}
    for cluster, ledger, parts in (
        ("one", "a", ((KNOWN, 9.0), (30, 0))),
        ("two", "b", ((KNOWN + 30, 9.0),)),
    ):
        inputs |= in_cluster(cluster, exporter("exporter:1", ledger, *parts))
    case = Case(inputs)
    case.query(KNOWN + 20, f"count by (cluster) ({firing(MISSING)})", {'{cluster="one"}': 1})
    RULES.check(tmp_path, case)
