"""Rows 17 and 18 of the fault table: event texts in /metrics, and more label values than anyone has."""

import random
import statistics
import time
from pathlib import Path
from typing import Final

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as text_families

from exporter.names import SESSION_ENDS
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.senders import ends
from tests.faults.table import Missed, Mutant, patched, reached, row
from tests.programs import finished

_SHOWN_AT_ONCE: Final = {"labels": "region", "first_seen_zero_for": 0}
"""Settings with a label, whose new series are shown with their counts within a second."""
_OPENMETRICS: Final = {"Accept": "application/openmetrics-text; version=1.0.0"}


def families(text: bytes, openmetrics: bytes) -> tuple[int, int]:
    """The number of metric families in both formats of /metrics. ValueError if a text does not parse."""
    return (
        len(list(text_families(text.decode()))),
        len(list(openmetrics_families(openmetrics.decode()))),
    )


def assert_parses(exporter: ExporterProcess, promtool: bool = False) -> None:
    """Parse /metrics in both formats; `promtool` checks it as well. Raises `Missed`."""
    text = exporter.request("ops", "GET", "/metrics")
    openmetrics = exporter.request("ops", "GET", "/metrics", headers=_OPENMETRICS)
    assert (text.status, openmetrics.status) == (200, 200)
    assert "openmetrics" in openmetrics.headers["Content-Type"]
    try:
        assert min(families(text.body, openmetrics.body)) > 20
    except ValueError as error:
        raise Missed(f"/metrics does not parse: {error}") from None
    if promtool:
        done = finished("promtool", "check", "metrics", input=text.body.decode())
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- row 17: poisonous texts ---------------------------------------------------------------------

_FORBIDDEN: Final[tuple[object, ...]] = (
    # Control characters, also of C1.
    *("\0", "\n", "\r", "\t", "\x1b[31m", "\x7f", "\x85"),
    # Overrides and isolates of directions, line separators, surrogates.
    *("\u202e", "\u2066", "\u200f", "\u2028", "\ud800", "\udfff"),
    # 129 and 132 bytes.
    *("x" * 129, "\U0001f600" * 33),
    *(1, {"a": "b"}, ["a"]),
)
_PERMITTED: Final = (
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
_FIELDS: Final = ("labels", "session_id", "code", "id", "phase", "system", "occurred_at")
"""Fields whose texts may be shown, the first two in /metrics, and fields with few values."""
_WEIGHTS: Final = (6, 6, 3, 3, 1, 1, 1)


def _text(rng: random.Random) -> object:
    """A text with one or several odd or forbidden values."""
    values = _PERMITTED if rng.random() < 0.7 else (*_FORBIDDEN, *_PERMITTED)
    texts = rng.choices(values, k=rng.choice((1, 2, 3)))
    return texts[0] if len(texts) == 1 else "".join(str(text)[:20] for text in texts)


_UNESCAPED: Final = patched("exporter.metrics.exposition.escaped", "lambda value: value")


@row(
    17,
    "/metrics poisoning",
    "parses after each input",
    Mutant("escapes", _UNESCAPED, "does not parse"),
)
def poison(folder: Path, quick: bool, mutant: str = "") -> str:
    inputs, accepted = 10 if quick else 2000, 0
    rng = random.Random(1)
    with ExporterProcess(folder / "data", settings=_SHOWN_AT_ONCE, mutant=mutant) as exporter:
        for number in range(inputs):
            event: dict[str, object] = {"system": "softdrive", "id": f"1-{number}"}
            for name in rng.choices(_FIELDS, _WEIGHTS, k=rng.choice((1, 1, 2, 4))):
                event[name] = {"region": _text(rng)} if name == "labels" else _text(rng)
            reply = exporter.post(event)
            assert reply.status in (200, 422), (event, reply.status)
            accepted += reply.json.get("accepted", 0)
            assert_parses(exporter, promtool=True)
    figure = f"parsed in both formats and by promtool after each of {inputs:,} inputs"
    # A rejected text is never shown, so it tests less.
    return reached(f"{figure}, {accepted:,} accepted", accepted > inputs // 10)


# --- row 18: label values ------------------------------------------------------------------------


_UNCAPPED: Final = patched(
    "exporter.ingest.labels.LabelValues._bound", "lambda self, seen, value: value"
)


@row(
    18,
    "1 M label values",
    "exact; ≤ 2,000 series, < 100 ms",
    Mutant("max_label_values", _UNCAPPED, " 0 other, 2,000 counted, 2"),
)
def labels(folder: Path, quick: bool, mutant: str = "") -> str:
    """Send events that each have a label value of their own."""
    count = 2000 if quick else 1_000_000
    with ExporterProcess(folder / "data", settings=_SHOWN_AT_ONCE, mutant=mutant) as exporter:
        for first in range(0, count, 1000):
            events = [
                event | {"labels": {"region": f"region-{event['id']}"}}
                for event in ends("flood", first, 1000)
            ]
            assert exporter.post(events).json["accepted"] == 1000
        # A new series is exported as 0 first.
        wait_for(lambda: exporter.total(SESSION_ENDS) == count, what="all ends")
        scrapes = []
        for _ in range(5):
            began = time.perf_counter()
            exporter.request("ops", "GET", "/metrics")
            scrapes.append(time.perf_counter() - began)
        samples = exporter.metrics()
        assert_parses(exporter)
    series = {labels: value for (name, labels), value in samples.items() if name == SESSION_ENDS}
    regions = {dict(labels).get("region", "") for labels in series}
    other = int(sum(value for labels, value in series.items() if ("region", "other") in labels))
    counted, scrape = int(sum(series.values())), statistics.median(scrapes)
    figure = f"{count:,} values: {other:,} other, {counted:,} counted, {len(series)} series"
    return reached(
        f"{figure}, scrape {scrape * 1000:.0f} ms",
        # 50 values, other, and none.
        (counted, other, len(regions)) == (count, count - 50, 52)
        and len(series) <= 2000
        and (quick or scrape < 0.1),
    )
