"""Row 36 of the fault table: settings and a taxonomy that change between an event and its retry."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from exporter.names import (
    INGEST_PATH,
    SESSION_ENDS,
    SESSION_ENDS_LATE,
    SESSION_INTERRUPTIONS,
)
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.table import Row, reached

_TAXONOMY: Final = """\
system: acme
title: Acme Streaming
source: Acme's list of close reasons
phase_source: derived
normal: ok
categories:
  closure: Ordinary closures
  network: Network
codes:
"""
_CODE: Final = """\
  - code: "{code}"
    name: {name}
    aliases: [{alias}]
    phase: {phase}
    category: {category}
    outcome: {outcome}
    owner: nobody
    severity: none
    description: A test.
    causes: A test.
    fix: A test.
"""


def _code(*values: str) -> str:
    names = ("code", "name", "alias", "phase", "category", "outcome")
    return _CODE.format(**dict(zip(names, values, strict=True)))


_OK: Final = _code("ok", "Closed", "bye", "stream", "closure", "success")
TAXONOMIES: Final = (
    _TAXONOMY + _OK + _code("07", "Link Lost", "link down", "keep_alive", "network", "failure"),
    # An upgrade: the phase, category and outcome of 07, an alias that moved, and a code that is new.
    _TAXONOMY
    + _OK
    + _code("07", "Link Lost", "no link", "connect", "closure", "neutral")
    + _code("99", "Out Of Room", "link down", "connect", "network", "failure"),
)
SETTINGS: Final = (
    {"labels": "region", "max_label_values": 2},
    {"labels": "project,region", "max_label_values": 50},
    {"labels": "project", "max_label_values": 1},
)


@dataclass
class Found:
    """Events `sent` once and again after each of `changes` of the settings: what the answers to the retries
    said, and how many were `counted` in the end."""

    sent: int = 0
    changes: int = 0
    counted: float = 0.0
    retries: Counter[str] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        return self.counted == self.sent and self.retries == {
            "duplicates": self.changes * self.sent
        }


def _events(count: int) -> Iterator[dict[str, Any]]:
    """Events whose code, phase, category or labels mean something else under other settings."""
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


def _bodies(count: int) -> Iterator[tuple[str, bytes]]:
    """Media types and bodies: of each path that decodes events."""
    events = list(_events(count))
    quarter = count // 4
    parts = [events[at * quarter : (at + 1) * quarter] for at in range(4)]
    yield "application/json", json.dumps(parts[0]).encode()
    yield "application/json", json.dumps([{**event, "new": [1]} for event in parts[1]]).encode()
    yield "application/x-ndjson", "\n".join(map(json.dumps, parts[2])).encode()
    envelope = {"specversion": "1.0", "source": "/kiosk", "type": "end"}
    enveloped = [{**envelope, "id": str(at), "data": data} for at, data in enumerate(parts[3])]
    yield "application/cloudevents-batch+json", json.dumps(enveloped).encode()


def change_settings(folder: Path, count: int, mutant: str = "", changes: int = 1) -> Found:
    """`count` events, a multiple of four, to a ledger whose settings change as often as said."""
    codes = folder / "codes"
    codes.mkdir()
    found = Found(count, changes)
    for turn, labels in enumerate(SETTINGS[: changes + 1]):
        (codes / "acme.yaml").write_text(TAXONOMIES[min(turn, 1)])
        settings = {
            **labels,
            **{"taxonomy": codes, "first_seen_zero_for": 0},
            **{"max_events": 50_000, "max_body": "64MiB"},
        }
        with ExporterProcess(folder / "data", settings=settings, mutant=mutant) as exporter:
            for kind, body in _bodies(count):
                reply = exporter.request(
                    "ingest", "POST", INGEST_PATH, body, {"Content-Type": kind}
                )
                said = reply.json
                if turn == 0:
                    assert said["accepted"] == count // 4, said
                    continue
                found.retries["accepted"] += said["accepted"]
                found.retries["duplicates"] += said["duplicates"]
                found.retries.update(one["reason"] for one in said["rejected"])
            found.counted = sum(
                exporter.total(name, system="acme")
                for name in (SESSION_ENDS, SESSION_ENDS_LATE, SESSION_INTERRUPTIONS)
            )
            assert exporter.stop() == 0
    found.retries += Counter()
    return found


def changed_settings(folder: Path, quick: bool) -> str:
    """The row."""
    found = change_settings(folder, 40 if quick else 20_000, changes=1 if quick else 2)
    retries = ", ".join(f"{count:,} {verdict}" for verdict, count in found.retries.items())
    return reached(
        f"{found.sent:,} events, retried under {found.changes} other settings: {retries}; "
        f"{found.counted:,.0f} counted",
        found.holds,
    )


ROW = Row(36, "settings change before a retry", "duplicate, not conflict", changed_settings)
