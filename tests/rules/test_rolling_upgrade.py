"""Words of a code that differ: exporters of a ledger in a rolling upgrade, and an exporter that restarts."""

from dataclasses import replace
from pathlib import Path

from tests.rules.promtool import (
    CODES,
    SESSION_ENDS,
    WINDOWS_GROUP,
    WORDS_GROUP,
    Case,
    counted,
    ends,
    run,
    series,
    share,
    words,
)

OLD = CODES["streampixel", "4001"]
NEW = replace(OLD, name="No Worker", severity=CODES["streampixel", "4000"].severity, fix="New fix.")
STEPS = 70
INFO = 'system_code:session_end_code_info:newest{code="4001"}'


def outage(first: int, second: int, gone_after: int | None = None) -> Case:
    """`old:1` and `new:1` started at these seconds; `new:1` is scraped until the minute `gone_after`."""
    steps = [1.0] + [0.0] * 59 + [40.0] * 10
    inputs = {share(OLD): f"0.001x{STEPS}"}
    success = CODES["streampixel", "1000"]
    for instance, code, start in (("old:1", OLD, first), ("new:1", NEW, second)):
        constant = f"x{STEPS}"
        if instance == "new:1" and gone_after is not None:
            constant = f"x{gone_after} stale"
        inputs[ends(OLD, instance=instance)] = counted(steps)
        inputs[ends(success, instance=instance)] = counted([960.0] * STEPS)
        target = {"job": "session-end-exporter", "instance": instance}
        inputs[series("process_start_time_seconds", target)] = f"{start}{constant}"
        inputs |= dict.fromkeys(words(code, instance), f"1{constant}")
    # The words that a case adds by itself are of exporter:1: here nobody says them.
    inputs |= dict.fromkeys(words(OLD), "_")
    return Case("1m", inputs)


def verdict(folder: Path, case: Case, fix: str, severity: str, name: str) -> str:
    firing = 'count by (name, severity) (ALERTS{alertname="SessionEndSpike", alertstate="firing"})'
    case.query("66m", firing, {f'{{name="{name}", severity="{severity}"}}': 1})
    help_ = 'system_code:session_end_code_help:newest{code="4001"}'
    case.query("66m", f"count by (fix) ({help_})", {f'{{fix="{fix}"}}': 1})
    return run(folder, (SESSION_ENDS,), case, only=(WORDS_GROUP, WINDOWS_GROUP))


def test_two_exporters_with_different_words_are_one_alert_with_the_newer_words(
    tmp_path: Path,
) -> None:
    """Fails without `topk` by the start time: the join has two partners, and the rule an error."""
    case = outage(1000, 2000)
    assert verdict(tmp_path, case, "New fix.", "ticket", "No Worker") == ""


def test_the_exporter_that_started_last_has_the_words_whatever_its_version(tmp_path: Path) -> None:
    case = outage(3000, 2000)
    assert verdict(tmp_path, case, OLD.fix, "page", OLD.name) == ""


def test_words_outlive_their_exporter(tmp_path: Path) -> None:
    """An exporter that is down takes its words along: for an hour they are remembered."""
    case = outage(1000, 2000, gone_after=50)
    assert verdict(tmp_path, case, "New fix.", "ticket", "No Worker") == ""


def test_restarted_exporter_has_its_new_words_within_two_minutes(tmp_path: Path) -> None:
    """Fails where a start time is joined to words of before it: old and new words tie for an hour."""
    case = outage(1000, 1000)
    target = {"job": "session-end-exporter", "instance": "old:1"}
    before, since = "1x55 stale", "_x56 1x13"
    case.inputs |= dict.fromkeys(words(NEW, "new:1"), "_")
    case.inputs |= dict.fromkeys(words(OLD, "old:1"), before)
    case.inputs |= dict.fromkeys(words(NEW, "old:1"), since)
    case.inputs[series("process_start_time_seconds", target)] = "1000x55 2000x13"
    case.query("58m", f"count by (severity) ({INFO})", {'{severity="ticket"}': 1})
    assert verdict(tmp_path, case, "New fix.", "ticket", "No Worker") == ""
