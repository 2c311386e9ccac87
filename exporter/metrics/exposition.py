"""Rendering of /metrics: OpenMetrics 1.0 for each client that names OpenMetrics, otherwise text 0.0.4.

Large families keep their lines, and write a line again only when its total changed: prometheus-client takes
260 ms for 7,500 series with 8 labels and an exemplar in OpenMetrics, and ingest waits for the GIL during a
scrape. Its `choose_encoder` echoes the client's version in Content-Type, and raises on a version that is no
number.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import compress, count
from operator import is_not
from types import SimpleNamespace
from typing import Any, Final

from prometheus_client import Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter import names
from exporter.ledger.contract import Series, Total

Write = Callable[[bool], Sequence[bytes]]
"""Returns lines in OpenMetrics 1.0 (True) or in text 0.0.4, without `# EOF`, in parts.

A lone surrogate becomes "?": otherwise a single surrogate in the ledger would fail every scrape.
"""

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
EXEMPLAR_CHARACTERS: Final = 128
"""Code points of an exemplar's label names and values together (OpenMetrics 1.0, "Exemplars")."""
_UNREADABLE: Final = re.compile(r'["\\\n\0]')
"""Characters at which readers fail the whole scrape: prometheus-client's parser (0.26) at an escape in an
exemplar, Prometheus 2.42 at a NUL."""


def label_text(label_names: Sequence[str], values: Sequence[str]) -> str:
    """Labels as both formats write them, in braces."""
    pairs = zip(label_names, values, strict=True)
    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in pairs) + "}"


def escaped(value: str) -> str:
    """A label value as both formats need it between quotes."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class WrittenFamily(Metric):
    """A family that writes its own lines. `samples` is empty unless its samples never change."""

    def __init__(self, name: str, documentation: str, kind: str, write: Write) -> None:
        super().__init__(name, documentation, kind)
        self.write = write


def constant(metric: Metric) -> WrittenFamily:
    """A family of prometheus-client whose samples never change: it is written once in each format."""

    @cache
    def write(openmetrics: bool) -> Sequence[bytes]:
        return (client_lines([metric], openmetrics).removesuffix(b"# EOF\n"),)

    family = WrittenFamily(metric.name, metric.documentation, metric.type, write)
    family.samples = metric.samples
    return family


def counter_header(name: str, documentation: str, openmetrics: bool) -> bytes:
    """HELP and TYPE of a counter `name_total`: its name has no `_total` in OpenMetrics."""
    name = name if openmetrics else f"{name}_total"
    return f"# HELP {name} {documentation}\n# TYPE {name} counter\n".encode()


class CounterLines:
    """A counter of the ledger's totals, with the lines of its last scrape in each format. Thread-safe."""

    def __init__(self, name: str, documentation: str, label_names: Sequence[str]) -> None:
        self._name = name.removesuffix("_total")
        self._documentation = documentation
        self._label_names = (*names.SERIES_LABELS, *label_names, names.LEDGER)
        # By format and ledger: the totals of the last scrape, and the labels and the line of each.
        self._written: dict[tuple[bool, str], tuple[Sequence[Total], list[str], list[bytes]]] = {}

    def family(self, ledger: str, totals: Sequence[Total]) -> WrittenFamily:
        """The counter of one scrape."""
        write = partial(self._write, ledger, totals)
        return WrittenFamily(self._name, self._documentation, "counter", write)

    def _write(self, ledger: str, totals: Sequence[Total], openmetrics: bool) -> Sequence[bytes]:
        """The lines of the totals, kept for each total that is the same object as at the last scrape."""
        last, labels, lines = self._written.get((openmetrics, ledger), ((), [], []))
        both = min(len(last), len(totals))
        new = len(totals) - both
        labels = [*labels[:both], *[""] * new]
        lines = [*lines[:both], *[b""] * new]
        changed = compress(count(), map(is_not, totals, last))
        for place in [*changed, *range(both, len(totals))]:
            total = totals[place]
            if place >= both or last[place].series is not total.series:
                _, *values = total.series.key
                labels[place] = label_text(self._label_names, (*values, ledger))
            lines[place] = self._line(openmetrics, labels[place], total)
        self._written[openmetrics, ledger] = totals, labels, lines
        return [counter_header(self._name, self._documentation, openmetrics), *lines]

    def _line(self, openmetrics: bool, labels: str, total: Total) -> bytes:
        value = 0 if total.delayed else total.value
        exemplar = _exemplar(total) if openmetrics else ""
        return f"{self._name}_total{labels} {value}{exemplar}\n".encode("utf-8", "replace")


def _exemplar(total: Total) -> str:
    """The exemplar of a total as OpenMetrics writes it; empty when it has none that readers take."""
    if total.exemplar is None or total.delayed:
        return ""
    session = total.exemplar.session_id
    if len(names.SESSION_ID) + len(session) > EXEMPLAR_CHARACTERS or _UNREADABLE.search(session):
        return ""
    return f' # {{{names.SESSION_ID}="{session}"}} 1.0 {total.exemplar.at!r}'


def client_lines(metrics: Sequence[Metric], openmetrics: bool) -> bytes:
    """The lines of prometheus-client, in OpenMetrics with `# EOF` at the end."""
    registry: Any = SimpleNamespace(collect=lambda: metrics)
    return (generate_openmetrics if openmetrics else generate_latest)(registry)


@dataclass
class Sums:
    """A counter of sums over series. Thread-safe.

    `rows` gives, for a series, the label values of each sum to which it is added.
    The series of each sum are found when the series change, so that a scrape only adds: 10,000 series with
    two labels take 1 ms.
    """

    name: str
    documentation: str
    label_names: Sequence[str]
    rows: Callable[[Series], Iterable[tuple[str, ...]]]
    _layout: tuple[str, Sequence[Series], dict[str, list[int]]] = field(
        default=("", (), {}), init=False
    )
    """Ledger and series of the last scrape, and the places of the series of each sum by name and labels."""

    def family(self, ledger: str, series: Sequence[Series], values: Sequence[int]) -> WrittenFamily:
        """The sums of one scrape, from the value of each series."""
        layout = self._layout
        if layout[:2] != (ledger, series):
            rows: dict[tuple[str, ...], list[int]] = {}
            for place, each in enumerate(series):
                for row in self.rows(each):
                    rows.setdefault((*row, ledger), []).append(place)
            labels = (*self.label_names, names.LEDGER)
            sums = {self.name + label_text(labels, row): places for row, places in rows.items()}
            layout = self._layout = (ledger, series, sums)

        base = self.name.removesuffix("_total")

        def write(openmetrics: bool) -> Sequence[bytes]:
            header = counter_header(base, self.documentation, openmetrics)
            lines = [
                f"{head} {sum(map(values.__getitem__, places))}\n"
                for head, places in layout[2].items()
            ]
            return header, "".join(lines).encode("utf-8", "replace")

        return WrittenFamily(base, self.documentation, "counter", write)


def render(registry: Collector, accept: str) -> tuple[bytes, str]:
    """Body and Content-Type for an `Accept` header. Takes milliseconds: call it in a worker thread."""
    openmetrics = "application/openmetrics-text" in accept.lower()
    parts: list[bytes] = []
    others: list[Metric] = []
    for metric in registry.collect():
        if isinstance(metric, WrittenFamily):
            parts += metric.write(openmetrics)
        else:
            others.append(metric)
    # Last, because it ends with `# EOF` in OpenMetrics.
    parts.append(client_lines(others, openmetrics))
    return b"".join(parts), OPENMETRICS if openmetrics else TEXT
