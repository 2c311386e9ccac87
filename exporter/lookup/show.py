"""Prints the result of a query. The only module of this package that imports rich."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.lookup.codes import facts, near, scope, search, spelled
from exporter.names import UNKNOWN
from exporter.taxonomy.model import Code, Outcome, Severity, System, Taxonomy

_STYLES = {Outcome.SUCCESS: "green", Outcome.NEUTRAL: "yellow", Outcome.FAILURE: "red"}


def show(console: Console, taxonomy: Taxonomy, words: Sequence[str]) -> bool:
    """Print the matches of a query, or advice; False without a match, as for an undocumented code."""
    codes = search(taxonomy, words)
    if not codes:
        _print_advice(console, taxonomy, words)
        return False
    systems = list(taxonomy.systems)
    if len(codes) == 1 or codes == spelled(taxonomy, words):
        for i, code in enumerate(codes):
            if i:
                console.print()
            _print_code(console, taxonomy.systems[code.system], code)
        return True
    codes.sort(key=lambda code: systems.index(code.system))
    for i, (name, group) in enumerate(groupby(codes, attrgetter("system"))):
        if i:
            console.print()
        _print_table(console, taxonomy.systems[name], list(group))
    return True


def _print_code(console: Console, system: System, code: Code) -> None:
    title, name = f"{system.title} {code.code}", "" if code.name == code.code else f"  {code.name}"
    console.print(Text(title + name, style="bold"))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in facts(system, code):
        style = _STYLES[code.outcome] if label == "Outcome" else ""
        grid.add_row(Text(label), Text(text, style=style))
    console.print(Padding(grid, (0, 0, 0, 2)))


def _print_table(console: Console, system: System, codes: Sequence[Code]) -> None:
    console.print(Text.assemble((system.title, "bold"), f'  vendor page "{system.source}"'))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("Code", no_wrap=True)
    table.add_column("Name", min_width=20)
    for heading in ("Phase", "Who acts", "Spike"):
        table.add_column(heading, no_wrap=True)
    for code in codes:
        severity = code.worst_severity
        style = "red" if severity is Severity.PAGE else ""
        cells = (Text(code.name), Text(code.phase), Text(code.owner), Text(severity, style=style))
        table.add_row(Text(code.code, style="bold"), *cells)
    console.print(table)


def _print_advice(console: Console, taxonomy: Taxonomy, words: Sequence[str]) -> None:
    systems, query = scope(taxonomy, words)
    where = f" of {systems[0].title}" if len(systems) < len(taxonomy.systems) else ""
    console.print(Text(f"No code{where} matches {query!r}.", style="bold"))
    runbooks = ", ".join(system.unknown.runbook for system in systems)
    console.print(
        Text(
            f'Events with another code are counted as code="{UNKNOWN}", as failures. Runbook: {runbooks}'
        )
    )
    if close := near(taxonomy, words):
        console.print(Text(f"Similar: {', '.join(close)}"))
