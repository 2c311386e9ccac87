"""A counter family that writes its own lines, because prometheus-client's writer is too slow for it.

Measured on 2,000 series with 8 labels and an exemplar on 2 busy cores: `generate_latest` takes 74 to
99 ms for the text format and 98 to 154 ms for OpenMetrics, during which ingest waits for the GIL
again and again; this module takes 5 to 9 and 9 to 17 ms. What it saves is sorting and escaping the
same labels at each scrape: a series never changes its labels, so their text is made once.

The family stays a prometheus-client `Metric`: `samples` are there for whoever asks, made on demand,
and the tests hold both ways of writing equal, sample by sample.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import Metric
from prometheus_client.samples import Exemplar, Sample

from exporter import names
from exporter.ledger.contract import Series, Total

EXEMPLAR_CHARACTERS: Final = 128
"""Code points of an exemplar's label names and values together (OpenMetrics 1.0, "Exemplars")."""


class LabelText:
    """The `{system="…",…` of series, made once; forgets those that were not asked for last time."""

    def __init__(self, label_names: Sequence[str]) -> None:
        self.names: Final = (*names.SERIES_LABELS, *label_names)
        self._texts: dict[Series, str] = {}

    def of(self, totals: Iterable[Total]) -> dict[Series, str]:
        """The label text of each total's series, without the closing brace."""
        known = self._texts
        texts = {
            total.series: known.get(total.series) or self._text(total.series) for total in totals
        }
        self._texts = texts
        return texts

    def _text(self, series: Series) -> str:
        pairs = zip(self.names, values(series), strict=True)
        return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in pairs)


def values(series: Series) -> tuple[str, ...]:
    """The label values of a series, in the order of `names.SERIES_LABELS` and the configured ones."""
    return (
        series.system,
        series.code,
        series.phase,
        series.category,
        series.outcome,
        *series.labels,
    )


def escaped(value: str) -> str:
    """A label value as both formats want it between its quotes."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def exemplar(total: Total) -> tuple[str, float] | None:
    """The session id and Unix seconds to show with a total, or None.

    A session id with a NUL is left out: Prometheus 2.42 fails the whole scrape at it ("expected label
    value, got INVALID"). One of a held series waits for its count.
    """
    if total.exemplar is None or total.delayed:
        return None
    session = total.exemplar.session_id
    if len(names.SESSION_ID) + len(session) > EXEMPLAR_CHARACTERS or "\0" in session:
        return None
    return session, total.exemplar.at


class CounterFamily(Metric):
    """One of the three counters, as a snapshot of the ledger's totals; held ones are shown as 0."""

    def __init__(
        self,
        name: str,
        documentation: str,
        ledger: str,
        totals: Sequence[Total],
        texts: dict[Series, str],
        label_names: Sequence[str],
    ) -> None:
        self._ledger, self._totals, self._texts, self._names = ledger, totals, texts, label_names
        super().__init__(name.removesuffix("_total"), documentation, "counter")

    @property
    def samples(self) -> list[Sample]:
        """For prometheus-client's own writers; `write` does not use it."""
        made = []
        for total in self._totals:
            labels = dict(zip(self._names, values(total.series), strict=True))
            labels[names.LEDGER] = self._ledger
            shown = exemplar(total)
            example = Exemplar({names.SESSION_ID: shown[0]}, 1.0, shown[1]) if shown else None
            value = 0 if total.delayed else total.value
            made.append(Sample(f"{self.name}_total", labels, value, None, example))
            made.append(Sample(f"{self.name}_created", labels, total.created))
        return made

    @samples.setter
    def samples(self, empty: list[Sample]) -> None:
        """The base class starts with an empty list; there is nothing to keep of it."""

    def write(self, openmetrics: bool) -> bytes:
        """The family's lines in OpenMetrics 1.0 or in text 0.0.4; without `# EOF`.

        A lone surrogate, which the guard should have refused, becomes "?": one of them would
        otherwise make every scrape fail until the ledger is edited by hand.
        """
        lines = self._openmetrics() if openmetrics else self._plain()
        return "".join(lines).encode("utf-8", "replace")

    def _openmetrics(self) -> Iterable[str]:
        name, texts = self.name, self._texts
        tail = f',{names.LEDGER}="{escaped(self._ledger)}"}}'
        yield f"# HELP {name} {self.documentation}\n# TYPE {name} counter\n"
        for total in self._totals:
            labels = texts[total.series] + tail
            shown = exemplar(total)
            example = (
                f' # {{{names.SESSION_ID}="{escaped(shown[0])}"}} 1.0 {shown[1]!r}' if shown else ""
            )
            yield (
                f"{name}_total{labels} {0 if total.delayed else total.value}{example}\n"
                f"{name}_created{labels} {total.created!r}\n"
            )

    def _plain(self) -> Iterable[str]:
        # The text format has no place for `_created` in a counter: as prometheus-client does, a
        # gauge of its own follows.
        name, texts = self.name, self._texts
        tail = f',{names.LEDGER}="{escaped(self._ledger)}"}}'
        yield f"# HELP {name}_total {self.documentation}\n# TYPE {name}_total counter\n"
        for total in self._totals:
            yield (
                f"{name}_total{texts[total.series]}{tail} {0 if total.delayed else total.value}\n"
            )
        yield f"# HELP {name}_created {self.documentation}\n# TYPE {name}_created gauge\n"
        for total in self._totals:
            yield f"{name}_created{texts[total.series]}{tail} {total.created!r}\n"
