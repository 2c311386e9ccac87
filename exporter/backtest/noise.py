"""How much each code of a replay alerts, against how often it comes."""

from dataclasses import dataclass

from exporter.backtest.replay import Replay
from exporter.render.catalog import PAGE, TICKET
from exporter.taxonomy.model import Code


@dataclass(frozen=True, slots=True)
class Noise:
    """One code's alerts; `code` is None for those of the whole system.

    `share` is of all ends of the system, `seconds` the time that its alerts fired, together.
    """

    system: str
    code: Code | None
    pages: int
    tickets: int
    share: float
    seconds: float


def noise(replay: Replay) -> list[Noise]:
    """A row for each code with an alert, the loudest first."""
    ends = replay.ends()
    total = sum(ends.values())
    rows = []
    for code in {one.subject.code for one in replay.firings}:
        own = [one for one in replay.firings if one.subject.code == code]
        severities = [one.subject.severity for one in own]
        came = total if code is None else ends.get(code.code, 0)
        rows.append(
            Noise(
                replay.system.system,
                code,
                severities.count(PAGE),
                severities.count(TICKET),
                came / total if total else 0.0,
                sum(map(replay.seconds, own)),
            )
        )
    return sorted(rows, key=lambda one: (-one.pages, -one.tickets, -one.seconds))
