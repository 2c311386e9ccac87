"""The answer to a query on a terminal: pages for codes, a table for many, advice for none."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.lookup.page import facts, runbook
from exporter.lookup.search import near, number, scope, search, spelled
from exporter.names import UNKNOWN, UNKNOWN_CODES_PATH
from exporter.taxonomy.model import Code, Outcome, Severity, System, Taxonomy

_WIDE = 96
"""Columns from which the table has room for the outcome."""
_STYLES = {Outcome.SUCCESS: "green", Outcome.NEUTRAL: "yellow", Outcome.FAILURE: "red"}


def show(console: Console, taxonomy: Taxonomy, words: Sequence[str]) -> bool:
    """Prints what the query finds; False when it finds nothing, and then says what to do.

    A spelling of a code, or a search with a single hit, prints whole pages; anything else a table.
    An undocumented code finds nothing, although events with it are counted.
    """
    found = search(taxonomy, words)
    if not found:
        _nothing(console, taxonomy, words)
        return False
    if len(found) == 1 or found == spelled(taxonomy, words):
        for place, code in enumerate(found):
            if place:
                console.print()
            _page(console, taxonomy.systems[code.system], code)
        return True
    for place, (name, codes) in enumerate(groupby(_by_system(taxonomy, found), _system)):
        if place:
            console.print()
        _table(console, taxonomy.systems[name], list(codes))
    return True


def _system(code: Code) -> str:
    return code.system


def _by_system(taxonomy: Taxonomy, codes: Sequence[Code]) -> list[Code]:
    order = list(taxonomy.systems)
    return sorted(codes, key=lambda code: order.index(code.system))


def _page(console: Console, system: System, code: Code) -> None:
    console.print(Text.assemble((f"{system.title} {code.code}", "bold"), "  ", (code.name, "bold")))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in facts(system, code):
        style = _STYLES[code.outcome] if label == "Outcome" else ""
        grid.add_row(Text(label), Text(text, style=style))
    console.print(Padding(grid, (0, 0, 0, 2)))


def _table(console: Console, system: System, codes: Sequence[Code]) -> None:
    wide = console.width >= _WIDE
    console.print(Text.assemble((system.title, "bold"), f'  vendor page "{system.source}"'))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("Code", no_wrap=True)
    table.add_column("Name", min_width=20)
    table.add_column("Phase", no_wrap=True)
    if wide:
        table.add_column("Outcome", no_wrap=True)
    table.add_column("Who acts", no_wrap=True)
    table.add_column("Spike", no_wrap=True)
    for code in codes:
        cells = [Text(code.code, style="bold"), Text(code.name), Text(code.phase)]
        if wide:
            cells.append(Text(code.outcome, style=_STYLES[code.outcome]))
        spike = Text(code.severity, style="red" if code.severity is Severity.PAGE else "")
        table.add_row(*cells, Text(code.owner), spike)
    console.print(table)


def _nothing(console: Console, taxonomy: Taxonomy, words: Sequence[str]) -> None:
    systems, asked = scope(taxonomy, words)
    where = systems[0].title if len(systems) == 1 else "No system"
    if code := number(taxonomy, words):
        verb = "documents no" if len(systems) == 1 else "documents"
        console.print(Text(f"{where} {verb} code {code}.", style="bold"))
        console.print(
            Text(
                f'Events with it are counted as code="{UNKNOWN}", as failures; the raw codes are in '
                f"{UNKNOWN_CODES_PATH}. If the sender means it, ask the vendor what it is and add it "
                'as an alias or a new code in a YAML file that begins with "extends:" and the system; '
                "otherwise correct the sender."
            )
        )
        console.print(Text(f"Runbook: {', '.join(runbook(s.unknown) for s in systems)}"))
    else:
        inside = f" of {where}" if len(systems) == 1 and len(taxonomy.systems) > 1 else ""
        console.print(Text(f"No code{inside} matches {asked!r}.", style="bold"))
    if close := near(taxonomy, words):
        console.print(Text("Did you mean:"))
        for query in close:
            console.print(Text(f"  codes {query}"))
    else:
        one = next(iter(taxonomy.systems))
        console.print(Text(f'"codes" lists all there are, "codes {one}" those of one system.'))
