"""The taxonomy's texts in a panel: Prometheus has the keys, the panel maps them to what they stand for."""

from collections.abc import Iterator
from typing import Final

from exporter import names
from exporter.lookup.page import facts
from exporter.render.dashboards.queries import KEYS, THIS_CODE, labelled, of
from exporter.render.pack import Pack
from exporter.taxonomy.model import Code, System

SHOWN: Final = ("What it means", "Causes", "Fix", "Who acts")
"""Lines of a code's page that the dashboard has."""


def _codes(pack: Pack) -> Iterator[tuple[System, Code]]:
    for system in pack.taxonomy.systems.values():
        for code in (*system.codes, system.unknown):
            yield system, code


def keyed(expr: str, name: str, *more: str) -> str:
    """Adds the label `name` by which a text is looked up: system/code, and `more` labels."""
    labels = ", ".join(f'"{label}"' for label in (names.SYSTEM, names.CODE, *more))
    return f'label_join({expr}, "{name}", "/", {labels})'


def fixes(pack: Pack) -> dict[str, str]:
    """What to do, by system/code."""
    return {f"{code.system}/{code.code}": code.fix for _, code in _codes(pack)}


def lines(pack: Pack) -> dict[str, str]:
    """The shown lines of every code's page, by system/code/line."""
    return {
        f"{code.system}/{code.code}/{label}": text
        for system, code in _codes(pack)
        for label, text in facts(system, code)
        if label in SHOWN
    }


def lines_query() -> str:
    """A row for each shown line of the chosen code; sorted by their numbers, which are the values."""
    info = f"max by ({KEYS}) ({of(names.SESSION_END_CODE_INFO, THIS_CODE)})"
    rows = "\n  or ".join(
        labelled(f"{at} * {info}", "about", label) for at, label in enumerate(SHOWN, start=1)
    )
    return f"sort({keyed(f'({rows})', 'text', 'about')})"
