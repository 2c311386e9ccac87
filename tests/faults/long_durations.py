"""Row 32 of the fault table: durations that would make the exported sum infinite, or the mean worthless."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exporter.beacons.decode import MAX_DURATION as MAX_OF_BEACONS
from exporter.beacons.sites import hash_key
from exporter.ingest.event import MAX_DURATION
from exporter.names import BEACONS_PATH, INGEST_PATH, REJECTED_EVENTS, SESSION_DURATION
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.table import Row, reached

_KEY: Final = "the-key-that-everybody-reads"
_ORIGIN: Final = "https://shop.example"
TOO_LONG: Final = ("1e308", "1e308", "1e300", "1e999", "9" * 309, str(MAX_DURATION + 1))
"""JSON numbers that no sender's event may have: two of 1e308 are infinite in sum."""
_TYPES: Final = {
    "application/json": '{{"id":"{id}","system":"streampixel","duration_seconds":{seconds}}}',
    "application/x-ndjson": '{{"id":"{id}","system":"streampixel","duration_seconds":{seconds}}}\n',
    "application/cloudevents+json": '{{"specversion":"1.0","id":"{id}","source":"/","type":"end",'
    '"data":{{"system":"streampixel","duration_seconds":{seconds}}}}}',
}


@dataclass
class Found:
    """`sent` events with a duration that is too long, how many were `rejected` by name and rule, how many
    refusals the exporter `counted`, and the `sum` that it shows after those and the longest allowed ones."""

    sent: int = 0
    rejected: int = 0
    counted: float = 0.0
    sum: float = math.nan
    allowed: list[int] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return (
            self.rejected == self.sent == self.counted
            and self.allowed == [200, 204]
            and self.sum == MAX_DURATION + MAX_OF_BEACONS
        )


def send_durations(folder: Path, rounds: int = 1, mutant: str = "") -> Found:
    """Every number in `TOO_LONG` in each format and in a beacon, and then one that is just allowed."""
    sites = folder / "sites.yaml"
    sites.write_text(
        f"sites:\n  - site: shop\n    system: streampixel\n    origins: [{_ORIGIN}]\n"
        f'    keys: ["{hash_key(_KEY)}"]\n'
    )
    settings = {"beacon_keys_file": sites, "beacon_burst": 100_000, "beacon_address_burst": 100_000}
    found = Found()
    with ExporterProcess(folder / "data", settings=settings, mutant=mutant) as exporter:
        for number, seconds in enumerate(TOO_LONG * rounds):
            for kind, text in _TYPES.items():
                body = text.format(id=f"{number}-{kind[-4:]}", seconds=seconds)
                _refused(found, *_post(exporter, body, kind))
            _refused(found, *_beacon(exporter, f"b-{number}", seconds))
        _refused(found, *_beacon(exporter, "a week and more", str(MAX_OF_BEACONS + 1)))
        longest = f'{{"id":"a year","system":"streampixel","duration_seconds":{MAX_DURATION}}}'
        found.allowed = [
            _post(exporter, longest, "application/json")[0],
            _beacon(exporter, "a week", str(MAX_OF_BEACONS))[0],
        ]
        found.counted = exporter.total(REJECTED_EVENTS, reason="invalid_field")
        found.sum = exporter.total(SESSION_DURATION + "_sum")
    return found


def _refused(found: Found, status: int, body: bytes) -> None:
    found.sent += 1
    said = json.loads(body or b"{}").get("rejected", [])
    found.rejected += status == 422 and [
        (one["reason"], one["message"].partition(" must be ")[0]) for one in said
    ] == [("invalid_field", "duration_seconds:")]


def _post(exporter: ExporterProcess, body: str, kind: str) -> tuple[int, bytes]:
    reply = exporter.request("ingest", "POST", INGEST_PATH, body.encode(), {"Content-Type": kind})
    return reply.status, reply.body


def _beacon(exporter: ExporterProcess, id_: str, seconds: str) -> tuple[int, bytes]:
    body = f'{{"id":"{id_}","duration_seconds":{seconds}}}'.encode()
    headers = {"Origin": _ORIGIN, "Content-Type": "text/plain"}
    reply = exporter.request("ingest", "POST", BEACONS_PATH + _KEY, body, headers)
    return reply.status, reply.body


def long_durations(folder: Path, quick: bool) -> str:
    """The row."""
    found = send_durations(folder, 1 if quick else 100)
    return reached(
        f"{found.rejected} of {found.sent} refused by field and rule, {found.counted:.0f} counted as "
        f"refused; sum {found.sum:,.0f} s",
        found.holds,
    )


ROW = Row(32, "durations of 1e308", "refused; the sum stays finite", long_durations)
