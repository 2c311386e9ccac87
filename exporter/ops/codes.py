"""/codes: every code of every system in one table, searched by the server and, as one types, by a script."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from exporter import names
from exporter.ops.history import Recent
from exporter.ops.links import code_path, search_path
from exporter.ops.markup import Html, element, items, joined, link
from exporter.ops.trend import reach
from exporter.taxonomy.model import Code, System, Taxonomy, normalise

SHORT: Final = 5
"""Minutes of the short count: as long as the shortest window of a spike."""
_LONG: Final = 60


@dataclass(frozen=True, slots=True)
class Row:
    """What of a code's row stays the same: made once, since it takes twice as long as all the rest."""

    code: Code
    cells: Html
    spellings: str
    words: str


def rows_of(taxonomy: Taxonomy) -> tuple[Row, ...]:
    """A row for every code, `unknown` last in its system."""
    return tuple(
        Row(
            code,
            _cells(system, code),
            "|".join(_spellings(system, code)),
            normalise(" ".join(_words(system, code))),
        )
        for system in taxonomy.systems.values()
        for code in (*system.codes, system.unknown)
    )


def codes(
    rows: Sequence[Row], recent: Recent, query: str, found: list[Code], near: list[str]
) -> Html:
    """The body. `found` are the codes that `query` finds, `near` queries like it that find some.

    All rows are there, those not found hidden: the script shows them again without asking.
    """
    shown = set(map(_key, found))
    table = joined(*(_row(row, recent, hidden=_key(row.code) not in shown) for row in rows))
    return joined(
        element("nav", items(link("/", "session-end-exporter")), aria_label="Back"),
        element(
            "main",
            element("h1", "Codes"),
            _form(query),
            element("p", f"{len(shown)} of {len(rows)} codes", role="status", id="found"),
            _nothing(query, near, hidden=bool(shown)),
            _table(table),
            element(
                "p",
                f"In all: every end since the ledger began, late ones too. 1 h and {SHORT} min: ends on "
                f"time, in {reach(recent.seconds)} at most. Alerts that are no code's: ",
                link(names.ALERTS_PATH, "all alerts"),
                ".",
                class_="lead",
            ),
            class_="broad",
        ),
    )


def _key(code: Code) -> tuple[str, str]:
    return code.system, code.code


def _form(query: str) -> Html:
    return element(
        "form",
        element("label", "Search", for_="query"),
        element(
            "input",
            type="search",
            id="query",
            name="q",
            value=query,
            placeholder="4001, error 08, timeout, capacity …",
            maxlength=128,
            autocomplete="off",
            spellcheck="false",
            aria_describedby="keys",
        ),
        element("button", "Search", type="submit"),
        element(
            "span",
            element("kbd", "/"),
            " to search, ",
            element("kbd", "Enter"),
            " opens the first, ",
            element("kbd", "Esc"),
            " clears",
            id="keys",
            class_="keys",
            hidden=True,
        ),
        role="search",
        action=names.CODES_PATH,
    )


def _nothing(query: str, near: Iterable[str], *, hidden: bool) -> Html:
    close = [link(search_path(one), one) for one in near]
    return element(
        "div",
        element(
            "p", "No code matches. Events with a code that is in no row are counted as ", _unknown()
        ),
        joined(element("p", "Did you mean:"), items(*close)) if close else Html(),
        element("p", link(names.CODES_PATH, "Show all codes")) if query else Html(),
        id="nothing",
        class_="state warn",
        hidden=hidden,
    )


def _unknown() -> Html:
    return joined(
        element("code", names.UNKNOWN), "; ", link(names.UNKNOWN_CODES_PATH, "their list"), "."
    )


_HEAD: Final = (
    ("Code", ""),
    ("Name", ""),
    ("System", "medium"),
    ("Phase", "large"),
    ("Category", "large"),
    ("Outcome", "medium"),
    ("Owner", "large"),
)


def _table(rows: Html) -> Html:
    head = [element("th", text, scope="col", class_=kind or None) for text, kind in _HEAD]
    head += [
        element("th", text, scope="col", class_=kind)
        for text, kind in (
            (f"{SHORT} min", "number"),
            ("1 h", "number"),
            ("In all", "number small"),
        )
    ]
    return element(
        "div",
        element(
            "table", element("thead", element("tr", *head)), element("tbody", rows), id="codes"
        ),
        class_="wide",
        role="region",
        tabindex=0,
        aria_label="Codes",
    )


def _cells(system: System, code: Code) -> Html:
    return joined(
        element("th", link(code_path(code), *_breakable(code.code)), scope="row"),
        element("td", code.name),
        element("td", system.title, class_="medium"),
        element("td", code.phase, class_="large"),
        element("td", code.category, class_="large"),
        element("td", outcome(code), class_="medium"),
        element("td", code.owner.value, class_="large"),
    )


def _breakable(code: str) -> Iterator[str]:
    """A phone has no room for `guest_agent` beside the counts."""
    first, *rest = code.split("_")
    yield first
    for part in rest:
        yield from ("_", element("wbr"), part)


def _row(row: Row, recent: Recent, *, hidden: bool) -> Html:
    key = _key(row.code)
    counts = (
        (recent.ended(key, SHORT), ""),
        (recent.ended(key, _LONG), ""),
        (recent.counted(key), " small"),
    )
    return element(
        "tr",
        row.cells,
        *(
            element("td", f"{count:,}", class_=f"number{kind}{'' if count else ' none'}")
            for count, kind in counts
        ),
        data_spellings=row.spellings,
        data_words=row.words,
        hidden=hidden,
    )


def outcome(code: Code) -> Html:
    """The outcome with its colour, which is never the only sign of it."""
    return element("span", code.outcome.value, class_=f"outcome {code.outcome.value}")


def _spellings(system: System, code: Code) -> list[str]:
    """As `exporter.taxonomy.model.normalise` writes them; none has a `|` that would not be one already."""
    own = [spelling for spelling, meant in system.spellings.items() if meant is code]
    return [*own, normalise(code.code)] if normalise(code.code) not in own else own


def _words(system: System, code: Code) -> tuple[str, ...]:
    heading = system.categories.get(code.category, "")
    return (
        *(system.system, system.title, code.code, code.name, *code.aliases),
        *(
            code.phase,
            code.category,
            heading,
            code.outcome.value,
            code.owner.value,
            code.severity.value,
        ),
        *(code.description, code.causes, code.fix),
    )
