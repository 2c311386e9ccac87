"""Row 35 of the fault table: DNS rebinding, seen from the two listeners: requests with a foreign Host."""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.table import Row, reached

EVENT = json.dumps({"system": "streampixel", "code": 4001}).encode()
OWN = ("localhost", "127.0.0.1", "[::1]", "10.1.2.3", "exporter", "exporter.example.com", "a.svc")
"""Hosts that have to be served, the last two by the setting."""
ALLOWED = "exporter.example.com,*.svc"
OPEN = ("/-/healthy", "/-/ready")


@dataclass
class Answers:
    """Statuses for foreign hosts, for hosts of the exporter's own, and of health for foreign hosts."""

    foreign: Counter[int] = field(default_factory=Counter)
    own: Counter[int] = field(default_factory=Counter)
    health: Counter[int] = field(default_factory=Counter)
    counted: int = 0
    refusals: int = 0
    detail: str = ""


def foreign_names(number: int) -> list[str]:
    """Public DNS names, some of which look like an own one."""
    randomness = random.Random(35)
    labels = ["evil", "localhost", "127.0.0.1", "10401", "exporter.example.com", "a_b", "xn--abc"]
    tops = ["example", "com", "net", "example.org.", "EXAMPLE", "svc.example"]
    return [
        f"{number}.{randomness.choice(labels)}.{randomness.choice(tops)}:{randomness.choice((80, 10401))}"
        for number in range(number)
    ]


def rebind(
    folder: Path, names: int, mutant: str = "", settings: dict[str, object] | None = None
) -> Answers:
    """Ask both listeners, which have no token, for `names` foreign hosts and for those of `OWN`."""
    answers = Answers()
    given = {"allowed_hosts": ALLOWED, **(settings or {})}
    with ExporterProcess(folder / "data", settings=given, mutant=mutant) as exporter:
        for host in foreign_names(names):
            for status, body in both(exporter, host):
                answers.foreign[status] += 1
                answers.detail = body if status == 421 else answers.detail
            for path in OPEN:
                answers.health[
                    exporter.request("ops", "GET", path, None, {"Host": host}).status
                ] += 1
        answers.counted = int(exporter.total("session_exporter_accepted_events_total"))
        answers.refusals = int(
            exporter.total("session_exporter_refused_requests_total", reason="host_not_allowed")
        )
        for host in OWN:
            answers.own.update(status for status, _ in both(exporter, host))
    return answers


def both(exporter: ExporterProcess, host: str) -> list[tuple[int, str]]:
    headers = {"Host": host, "Content-Type": "application/json"}
    replies = (
        exporter.request("ingest", "POST", "/v1/session-ends", EVENT, headers),
        exporter.request("ops", "GET", "/metrics", None, headers),
    )
    return [(reply.status, reply.body.decode()) for reply in replies]


def run(folder: Path, quick: bool) -> str:
    names = 10 if quick else 2000
    found = rebind(folder, names)
    figure = (
        f"{names} names on both: {dict(found.foreign)}, {found.counted} events counted, "
        f"{found.refusals} refusals counted; {len(OWN)} own hosts: {dict(found.own)}"
    )
    return reached(
        figure,
        found.foreign == {421: 2 * names}
        and (found.counted, found.refusals) == (0, 2 * names)
        and found.own == {200: 2 * len(OWN)}
        and found.health == {200: 2 * names}
        and "allowed_hosts" in found.detail,
    )


ROW = Row(35, "DNS rebinding: foreign Host, no token", "421 on both, nothing counted", run)
