"""Rows 36 and 37 of the fault table: settings that change before a retry, and invalid labels."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from exporter.names import SESSION_ENDS, SESSION_ENDS_LATE, SESSION_INTERRUPTIONS
from tests.e2e.exporter_process import ROOT, ExporterProcess
from tests.faults.table import Mutant, reached, row

# --- row 36: other settings ------------------------------------------------------------------------

_ACME: Final = (ROOT / "tests/testdata/taxonomy/valid.yaml").read_text()
_MOVED: Final = """\
  - {code: "99", name: OutOfRoom, aliases: [link down], phase: connect, category: network, outcome: failure,
     owner: nobody, severity: none, description: A test., causes: A test., fix: A test.}
"""
_OTHER_MEANING: Final = "phase: connect\n    category: closure\n    outcome: neutral"
_TAXONOMIES: Final = (
    _ACME,
    # An upgrade: the phase, category and outcome of 07, an alias that moved, and a new code.
    re.sub(
        r"phase: keep_alive\s+category: network\s+outcome: failure", _OTHER_MEANING, _ACME
    ).replace("link down", "no link")
    + _MOVED,
)
_SETTINGS: Final = (
    {"labels": "region", "max_label_values": 2},
    {"labels": "project,region", "max_label_values": 50},
    {"labels": "project", "max_label_values": 1},
)


def _events(count: int) -> Iterator[dict[str, Any]]:
    """Events whose code, phase, category or labels have another meaning under other settings."""
    codes = ("ok", "07", 7, "link down", "99", "Never Heard Of", None)
    for number in range(count):
        event: dict[str, Any] = {
            "system": "acme",
            "code": codes[number % len(codes)],
            "session_id": f"s-{number}",
            "occurred_at": "2026-11-20T19:00:00Z",
            "final": number % 5 != 0,
            "labels": {"region": f"r{number % 4}", "project": f"p{number % 3}"},
        }
        if number % 2:
            event["id"] = f"e-{number}"
        if number % 3 == 0:
            del event["labels"]
        yield event


_RESOLVED: Final = """
from dataclasses import replace
from xxhash import xxh3_64_intdigest
from exporter.ingest.resolver import Resolver
resolve = Resolver.__missing__
def resolve_by_settings(self, spelling):
    resolved = resolve(self, spelling)
    self[spelling] = resolved = replace(resolved, {})
    return resolved
Resolver.__missing__ = resolve_by_settings
"""
# The series contains the category and the label values that follow from the settings.
_FINGERPRINT_OF_SERIES: Final = _RESOLVED.format(
    'seed=xxh3_64_intdigest("".join(resolved.series.key).encode())'
)
# With an alias that moved, an event without an id gets another key.
_KEY_OF_CODE: Final = _RESOLVED.format("normalized=resolved.unknown or resolved.code")


@row(
    36,
    "settings change before a retry",
    "duplicate, not conflict",
    Mutant("fingerprint of the sender's words", _FINGERPRINT_OF_SERIES, r"\d+ conflict"),
    Mutant("key of the sender's words", _KEY_OF_CODE, r"\d+ accepted"),
)
def changed(folder: Path, quick: bool, mutant: str = "") -> str:
    count, changes = (40, 1) if quick else (20_000, 2)
    codes = folder / "codes"
    codes.mkdir()
    retries: Counter[str] = Counter()
    counted = 0.0
    for turn, labels in enumerate(_SETTINGS[: changes + 1]):
        (codes / "acme.yaml").write_text(_TAXONOMIES[min(turn, 1)])
        limits = {"max_events": 50_000, "max_body": "64MiB"}
        settings = {**labels, **limits, "taxonomy": codes, "first_seen_zero_for": 0}
        with ExporterProcess(folder / "data", settings=settings, mutant=mutant) as exporter:
            reply = exporter.post(list(_events(count))).json
            if turn == 0:
                assert reply["accepted"] == count, reply
            else:
                retries.update({name: reply[name] for name in ("accepted", "duplicates")})
                retries.update(event["reason"] for event in reply["rejected"])
            counted = sum(
                exporter.total(name, system="acme")
                for name in (SESSION_ENDS, SESSION_ENDS_LATE, SESSION_INTERRUPTIONS)
            )
            assert exporter.stop() == 0
    retries += Counter()  # drops zeros
    verdicts = ", ".join(f"{number:,} {verdict}" for verdict, number in retries.items())
    return reached(
        f"{count:,} events, retried under {changes} other settings: {verdicts}; {counted:,.0f} counted",
        counted == count and retries == {"duplicates": changes * count},
    )
