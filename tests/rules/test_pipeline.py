"""The alerts about the exporter itself: firing with exact labels and texts, near misses silent."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.render.catalog import PIPELINE
from tests.rules.promtool import PACK, Case, run

OWN = "session_exporter_"
ON = 'instance="exporter:1", job="session-end-exporter"'
INSTANCE = {"instance": "exporter:1", "job": "session-end-exporter"}
UP = f"up{{{ON}}}"
ACCEPTED = f"{OWN}accepted_events_total{{{ON}}}"
REJECTED = f'{OWN}rejected_events_total{{reason="invalid_field", {ON}}}'
SKEWED = f'{OWN}rejected_events_total{{reason="clock_skew", {ON}}}'
UNKNOWN = f'{OWN}unknown_code_events_total{{system="softdrive", {ON}}}'
WRITABLE = f"{OWN}ledger_writable{{{ON}}}"
DAMAGED = f"{OWN}ledger_damaged_timestamp_seconds{{{ON}}}"
EXPIRED = f'{OWN}dedup_window_expired_ids_total{{bound="ids", {ON}}}'
FIRING = {
    "SessionEndExporterDown": (
        {UP: "1x60 0x20"},
        "62m",
        "64m",
        INSTANCE,
        "The exporter exporter:1 is down",
    ),
    "SessionEndExporterAbsent": (
        {UP: "1x60 stale"},
        "64m",
        "68m",
        {"job": "session-end-exporter"},
        "Prometheus knows no exporter",
    ),
    "SessionEndExporterNoEvents": (
        {ACCEPTED: "0+10x60 600x140"},
        "180m",
        "190m",
        {},
        "The exporter gets no events",
    ),
    "SessionEndExporterLedgerNotWritable": (
        {WRITABLE: "1x60 0x20"},
        "61m",
        "63m",
        INSTANCE,
        "The ledger of exporter:1 takes no events",
    ),
    "SessionEndExporterLedgerDamaged": (
        {DAMAGED: "0x60 3600x20"},
        "60m",
        "62m",
        INSTANCE,
        "A damaged ledger of exporter:1 was moved aside",
    ),
    "SessionEndExporterEventsRejected": (
        {ACCEPTED: "0+100x100", REJECTED: "0x60 2+2x40"},
        "70m",
        "90m",
        {},
        "The exporter rejects events",
    ),
    "SessionEndExporterUnknownCodes": (
        {ACCEPTED: "0+10x100", UNKNOWN: "0x60 1+1x40"},
        "66m",
        "80m",
        {"system": "softdrive"},
        "Codes that the taxonomy does not have on softdrive",
    ),
    "SessionEndExporterClockSkew": (
        {ACCEPTED: "0+100x100", SKEWED: "0x60 1+1x40"},
        "70m",
        "90m",
        {},
        "Events come from the future",
    ),
    "SessionEndExporterEventsDelayed": (
        {
            f'{OWN}event_delay_seconds_bucket{{le="{le}", {ON}}}': f"0+{step}x100"
            for le, step in (("60", 5), ("300", 8), ("900", 10), ("+Inf", 10))
        },
        "20m",
        "60m",
        {},
        "Events come late",
    ),
    "SessionEndExporterDedupWindowFull": (
        {EXPIRED: "0x60 10+10x20"},
        "60m",
        "62m",
        INSTANCE | {"bound": "ids"},
        "The deduplication window of exporter:1 is full",
    ),
}
QUIET: dict[str, dict[str, str]] = {
    "SessionEndExporterDown": {UP: "1x60 0x1 1x40"},
    "SessionEndExporterAbsent": {UP: "0x200"},
    "SessionEndExporterNoEvents": {ACCEPTED: "0+8x60 480x140"},
    "SessionEndExporterLedgerNotWritable": {WRITABLE: "1x200"},
    "SessionEndExporterLedgerDamaged": {DAMAGED: "0x200"},
    "SessionEndExporterEventsRejected": {ACCEPTED: "0+100x200", REJECTED: "0+1x200"},
    "SessionEndExporterUnknownCodes": {ACCEPTED: "0+10x200", UNKNOWN: "0x60 3x140"},
    "SessionEndExporterClockSkew": {ACCEPTED: "0+100x200", SKEWED: "0x60 5x140"},
    "SessionEndExporterEventsDelayed": {
        f'{OWN}event_delay_seconds_bucket{{le="{le}", {ON}}}': f"0+{step}x200"
        for le, step in (("60", 5), ("300", 9.2), ("900", 10), ("+Inf", 10))
    },
    "SessionEndExporterDedupWindowFull": {EXPIRED: "700x200"},
}
DESCRIPTIONS = {
    "SessionEndExporterDown": "Prometheus can't scrape exporter:1. Its senders keep their events and "
    "try again; no alert about its systems can fire until it is back. Look at its process and its log.",
    "SessionEndExporterLedgerDamaged": "Moved aside at 1970-01-01 01:00:00 +0000 UTC; what could be "
    "read of it was kept, and counting went on. Keep the damaged file, look at the disk, read the log.",
    "SessionEndExporterEventsRejected": "30 events in 15m broke a rule and were not counted. "
    "session_exporter_rejected_events_total by reason says which rule, the log which sender.",
    "SessionEndExporterUnknownCodes": "20 events in 1h were counted as unknown. /api/unknown-codes of "
    "the exporter lists the codes as they came.",
    "SessionEndExporterClockSkew": "15 events in 15m were rejected because they end later than now. "
    "Compare the clocks of the senders and the exporter.",
    "SessionEndExporterEventsDelayed": "One request in 10 has events older than 10m 0s: alerts see "
    "incidents that much later. Look at the senders' queues.",
    "SessionEndExporterDedupWindowFull": "20 ids left it in 1h for want of room; an event that is sent "
    "again after that counts again. Raise the window's capacity.",
}
"""Those with numbers; the others are compared with what the rule file has."""


def plain_texts() -> Mapping[str, str]:
    from exporter.render.pipeline import conditions

    return {name: one.description for name, one in conditions(PACK.policy.pipeline).items()}


def test_every_alert_about_the_exporter_has_a_case() -> None:
    assert FIRING.keys() == PIPELINE.keys() == QUIET.keys()


@pytest.mark.parametrize("alert", PIPELINE)
def test_an_alert_about_the_exporter_fires_and_not_before_and_not_nearly(
    tmp_path: Path, alert: str
) -> None:
    inputs, before, after, more, summary = FIRING[alert]
    case = Case("1m", dict(inputs))
    case.silent(before, alert)
    description = DESCRIPTIONS.get(alert, plain_texts()[alert])
    assert "{{" not in description
    annotations = {
        "summary": summary,
        "description": description,
        "runbook_url": "http://127.0.0.1:10401/",
        "dashboard_url": "http://127.0.0.1:3000/d/session-end-code",
    }
    labels = {"severity": PIPELINE[alert], "signal": "pipeline"} | more
    case.firing(after, alert, labels, annotations)
    near = Case("1m", QUIET[alert])
    for minute in range(10, 200, 10):
        near.silent(f"{minute}m", alert)
    assert run(tmp_path, ("pipeline.yml",), case, near) == ""
