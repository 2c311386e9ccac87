"""Row 17 of the fault table: texts that would break /metrics."""

import random
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.exposition import SHOWN_AT_ONCE, parses
from tests.faults.table import Row, reached

FORBIDDEN = {
    "NUL": "\0",
    "newline": "\n",
    "carriage return": "\r",
    "tab": "\t",
    "escape": "\x1b[31m",
    "delete": "\x7f",
    "C1": "\x85",
    "bidi override": "\u202e",
    "bidi isolate": "\u2066",
    "bidi mark": "\u200f",
    "line separator": "\u2028",
    "high surrogate": "\ud800",
    "low surrogate": "\udfff",
    "129 bytes": "x" * 129,
    "129 bytes of astral": "\U0001f600" * 33,
    "a number": 1,
    "an object": {"a": "b"},
    "a list": ["a"],
}
PERMITTED = (
    'quote " quote',
    "back\\slash",
    "ends in a backslash\\",
    "\\n is no newline",
    "\U0001f600 astral",
    '{brace="1"} 7',
    "# EOF",
    "x" * 128,
    " ",
)

SHOWN = ("region", "region", "session_id", "session_id", "code", "id")
"""What is kept of an event, the label and the exemplar of /metrics first."""
OTHERS = ("phase", "system", "occurred_at")


def poison(exporter: ExporterProcess, inputs: int, seed: int) -> int:
    """Post events with such texts in any of their fields, and have /metrics parsed in both formats and
    checked by promtool after each; how many were accepted."""
    chance = random.Random(seed)
    accepted = 0
    for number in range(inputs):
        event: dict[str, object] = {"system": "softdrive", "id": f"{seed}-{number}"}
        for _ in range(chance.choice((1, 1, 2, 4))):
            name = chance.choice(SHOWN if chance.random() < 0.9 else OTHERS)
            if name == "region":
                event["labels"] = {name: _text(chance)}
            else:
                event[name] = _text(chance)
        reply = exporter.post(event)
        assert reply.status in (200, 422), (event, reply.status)
        accepted += reply.json.get("accepted", 0)
        parses(exporter, promtool=True)
    return accepted


def _text(chance: random.Random) -> object:
    """An odd or a forbidden value, or some of them in one text."""
    values = PERMITTED if chance.random() < 0.7 else (*FORBIDDEN.values(), *PERMITTED)
    if chance.random() < 0.5:
        return chance.choice(values)
    return "".join(str(chance.choice(values))[:20] for _ in range(chance.choice((2, 3, 5))))


def _run(folder: Path, quick: bool) -> str:
    inputs = 20 if quick else 2000
    with ExporterProcess(folder / "data", settings=SHOWN_AT_ONCE) as exporter:
        accepted = poison(exporter, inputs, seed=1)
    figure = f"parsed in both formats and by promtool after each of {inputs:,} inputs"
    # What is rejected is never shown: it proves less.
    return reached(f"{figure}, {accepted:,} accepted", accepted > inputs // 10)


ROW: Final = Row(17, "/metrics poisoning", "parses after each input", _run)
