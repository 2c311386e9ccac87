"""How much each code of a replay alerts, against how often it comes."""

from dataclasses import dataclass

from exporter import names
from exporter.backtest.notifications import PAGE, TICKET, severity
from exporter.backtest.replay import Replay


@dataclass(frozen=True, slots=True)
class Noise:
    """One code's alerts; `code` and `name` are "" for those of the whole system.

    `share` is of all ends of the system, `seconds` the time that its alerts fired, together.
    """

    system: str
    code: str
    name: str
    pages: int
    tickets: int
    share: float
    seconds: float


def noise(replay: Replay) -> list[Noise]:
    """A row for each code with an alert, the loudest first."""
    ends = replay.ends()
    total = sum(ends.values())
    rows = []
    for code in {firing.labels.get(names.CODE, "") for firing in replay.firings}:
        own = [firing for firing in replay.firings if firing.labels.get(names.CODE, "") == code]
        severities = [severity(firing.labels) for firing in own]
        came = ends.get(code, 0) if code else total
        rows.append(
            Noise(
                replay.system.system,
                code,
                next(
                    (firing.labels[names.NAME] for firing in own if names.NAME in firing.labels), ""
                ),
                severities.count(PAGE),
                severities.count(TICKET),
                came / total if total else 0.0,
                sum(map(replay.seconds, own)),
            )
        )
    return sorted(rows, key=lambda row: (-row.pages, -row.tickets, -row.seconds))
