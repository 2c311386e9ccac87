"""Session ends by the values of the configured labels: which region, project or build they come from."""

from typing import Final

from dashboards.source import queries, style
from dashboards.source.panels import Columns, Panel, graph, percent, repeated, table
from dashboards.source.queries import CLUSTER, SYSTEMS, Query, legend, selector, total, with_label
from exporter import names

NO_LABELS: Final = "No data: no such ends, or the exporter's setting labels is empty."
PLACE: Final = f"{names.LABEL}, {names.VALUE}"
COLUMNS: Final[Columns] = {
    names.LABEL: ("Label", {**style.TEXT, "custom.width": 100}),
    names.VALUE: ("Value", {**style.TEXT, "custom.minWidth": 100}),
    "Value #A": ("Count", {"decimals": 0, "custom.width": 85}),
    "Value #B": ("Share", {**percent(0), "custom.width": 75}),
    "Value #C": ("Of all ends", {**percent(0), "custom.width": 90}),
}


def place_list(title: str, noun: str, matchers: str) -> Panel:
    """A row for each value of each label; `matchers` select the ends."""
    some, every = (counts("1h", PLACE, chosen) for chosen in (matchers, SYSTEMS))
    top = f"topk(12, {some} > 0.5)"
    return table(
        title,
        f"{noun} of the last hour by each label in the exporter's setting labels. A share far above the "
        "value's share of all ends points to a region, project or build.",
        queries.rows(top),
        *(queries.rows(f"{_share(part)}\nand on ({PLACE}) {top}") for part in (some, every)),
        columns=COLUMNS,
        joined_by=PLACE,
        sort=[("Share", True)],
        empty=NO_LABELS,
    )


def by_value(matchers: str) -> Panel:
    """A graph for each label. Ends without the label are the rest of all ends."""
    of_label = f'{matchers}, {names.LABEL}="$label"'
    ends = counts("5m", names.VALUE, of_label)
    every = queries.counted("increase", names.SESSION_ENDS, [matchers], "5m", names.SYSTEM)
    rest = f"(sum({every}) - (sum({ends}) or vector(0))) / 5 > 0.01"
    return repeated(
        graph(
            "Ends per minute by $label (5m)",
            "5-minute averages of the ends with this code, stacked: the height is their sum.",
            Query(f"{ends} / 5", legend(names.VALUE)),
            Query(with_label(rest, names.VALUE, "(none)"), legend(names.VALUE)),
            stacked=True,
            calcs=(),
            colors="palette-classic-by-name",
            empty=NO_LABELS,
        ),
        "label",
    )


def counts(window: str, by: str, matchers: str) -> str:
    """Ends by label values. Replicas of one ledger, and copies of one series, count once."""
    series = f"{CLUSTER}, {names.LEDGER}, {names.SYSTEM}, {names.CODE}, {names.OUTCOME}, {PLACE}"
    increase = f"increase({selector(names.SESSION_ENDS_BY_LABEL, matchers)}[{window}])"
    return total(by, f"max by ({series}) ({increase})")


def _share(counts: str) -> str:
    of_label = total(names.LABEL, f"({counts})")
    return f"{counts} / on ({names.LABEL}) group_left () ({of_label} > 0)"
