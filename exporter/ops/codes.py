"""The rows of /codes: every code, with the words that the search in the page looks for."""

from dataclasses import dataclass

from exporter.taxonomy.model import Code, System, Taxonomy, normalise


@dataclass(frozen=True, slots=True)
class Row:
    """A code, the title of its system, and normalized text for the script: accepted spellings, joined by
    `|`, and all words of the row."""

    code: Code
    title: str
    spellings: str
    words: str


def rows_of(taxonomy: Taxonomy) -> tuple[Row, ...]:
    """A row for every code, `unknown` last in its system."""
    return tuple(
        Row(code, system.title, "|".join(_spellings(system, code)), normalise(_words(system, code)))
        for system in taxonomy.systems.values()
        for code in (*system.codes, system.unknown)
    )


def _spellings(system: System, code: Code) -> dict[str, None]:
    accepted = [spelling for spelling, match in system.spellings.items() if match is code]
    return dict.fromkeys((*accepted, normalise(code.code)))


def _words(system: System, code: Code) -> str:
    category = system.categories.get(code.category, "")
    names = (system.system, system.title, code.code, code.name, *code.aliases)
    groups = (code.phase, code.category, category, code.outcome, code.owner, code.severity)
    return " ".join((*names, *groups, code.description, code.causes, code.fix))
