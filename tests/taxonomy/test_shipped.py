"""The shipped taxonomies agree with the vendors' pages and with the classification of the design."""

import csv
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import pytest

from exporter.taxonomy.loader import load
from exporter.taxonomy.model import System
from exporter.taxonomy.spellings import index

FACTS = Path(__file__).parents[1] / "testdata" / "seed-facts.csv"

TAXONOMY = load()
SYSTEMS = list(TAXONOMY.systems.values())
DOCUMENTED = [code for system in SYSTEMS for code in system.codes]


def test_rows_are_those_of_the_vendors_pages_in_their_order_and_of_the_design() -> None:
    """Names and sections are verbatim. The row `none` is on no page."""
    with FACTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = ("system", "code", "phase", "category", "outcome", "owner", "severity")
    assert [attrgetter(*labels)(code) for code in DOCUMENTED] == [
        tuple(row[label] for label in labels) for row in rows
    ]
    for row, code in zip(rows, DOCUMENTED, strict=True):
        system = TAXONOMY.systems[code.system]
        if row["name"]:
            assert code.name == row["name"]
            assert system.phase_source == ("vendor" if row["vendor_phase"] else "derived")
        if row["vendor_phase"]:
            assert system.categories[code.category] == row["section"], row


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.system)
def test_every_category_is_used(system: System) -> None:
    assert {code.category for code in system.codes} == set(system.categories)


def test_every_alias_is_needed() -> None:
    for code in DOCUMENTED:
        for alias in code.aliases:
            others = tuple(other for other in code.aliases if other != alias)
            changed = replace(code, aliases=others)
            codes = TAXONOMY.systems[code.system].codes
            without = index([changed if other is code else other for other in codes])
            assert not without.meanings(alias), alias
