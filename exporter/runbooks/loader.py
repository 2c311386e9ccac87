"""The runbooks' facts read from the package, strictly: a shipped code without a runbook is a mistake."""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError
from exporter.names import UNKNOWN
from exporter.runbooks.model import Answers, Facts, Library, Question, Step
from exporter.taxonomy.document import Mapping, read
from exporter.taxonomy.model import PHASES, Outcome, Owner, Taxonomy

_GENERIC: Final = "generic.yaml"
_ALERTS: Final = "alerts.yaml"
_LONGEST: Final = 600
_LONGEST_NAME: Final = 128
_COMPARING: Final = frozenset({"beside", "family"})
"""Questions that need codes; all others take none."""
_FACTS: Final = ("first", "impact", "steps", "mitigation")


def load(taxonomy: Taxonomy) -> Library:
    """The package's facts, for this taxonomy.

    Raises `ConfigError` with every mistake: of the files as `path:line: message`, and every code of a
    system with a file that has no runbook. Systems without a file get what `generic.yaml` says.
    """
    library = _shipped()
    if mistakes := misfits(library, taxonomy):
        raise ConfigError(*mistakes)
    return library


def read_library(folder: Path) -> Library:
    """The facts in a folder: `generic.yaml`, `alerts.yaml`, and a file for each system.

    Raises `ConfigError` with every mistake, each as `path:line: message`.
    """
    mistakes: list[str] = []
    library = Library()
    paths = sorted(folder.glob("*.yaml"), key=lambda path: (path.name != _GENERIC, path.name))
    for path in paths:
        document = read(path, "the file", mistakes)
        if document is None:
            continue
        if path.name == _GENERIC:
            _generic(document, library)
        elif path.name == _ALERTS:
            _alerts(document, library)
        else:
            _system(document, library)
    if mistakes:
        raise ConfigError(*mistakes)
    return library


def misfits(library: Library, taxonomy: Taxonomy) -> list[str]:
    """Codes without a runbook, runbooks without a code, and comparisons with codes there are not."""
    mistakes = []
    for name in dict.fromkeys(system for system, _ in library.codes):
        if name not in taxonomy.systems:
            continue
        known = {code.code: code.changed_by for code in taxonomy.systems[name].codes}
        written = [code for owner, code in library.codes if owner == name]
        # A code that an overlay adds has the page of its owner and phase.
        mistakes += [
            f"{name} {code} has no runbook"
            for code, changed_by in known.items()
            if code not in written and not changed_by
        ]
        mistakes += [
            f"the runbook of {name} {code} has no code" for code in written if code not in known
        ]
        mistakes += [
            f"the runbook of {name} {code} compares with {other}, which is no code"
            for code in written
            for step in library.codes[name, code].steps
            for other in step.codes
            if other not in known
        ]
    return mistakes


@cache
def _shipped() -> Library:
    with as_file(files("exporter.runbooks")) as folder:
        return read_library(folder)


def _generic(document: Mapping, library: Library) -> None:
    document.expect(("questions", "signals", "outcomes", "phases", "owners", "unknown"))
    for row in document.mappings("questions"):
        row.expect(("ask", "title", "answers"))
        library.questions[row.text("ask", longest=_LONGEST_NAME)] = Question(
            row.text("title", longest=_LONGEST), _answers(row)
        )
    signals = ("spike", "overrun", "elevated", "new", "queue")
    library.signals |= _texts(document, "signals", "signal", signals)
    library.outcomes |= _texts(document, "outcomes", "outcome", tuple(Outcome))
    library.phases |= _texts(document, "phases", "phase", (*PHASES, UNKNOWN))
    for row in document.mappings("owners"):
        row.expect(("owner", *_FACTS))
        library.owners[row.one_of("owner", tuple(Owner))] = _facts(row, library)
    _complete(document, "owners", library.owners, tuple(Owner))
    for row in document.mappings("unknown"):
        row.expect(_FACTS)
        library.unknown = _facts(row, library)


def _alerts(document: Mapping, library: Library) -> None:
    document.expect(("alerts",))
    for row in document.mappings("alerts"):
        row.expect(("alert", "meaning", *_FACTS), optional=("checks",))
        library.alerts[row.text("alert", longest=_LONGEST_NAME)] = _facts(row, library)


def _system(document: Mapping, library: Library) -> None:
    document.expect(("system", "runbooks"))
    system = document.text("system", longest=_LONGEST_NAME)
    for row in document.mappings("runbooks"):
        row.expect(("codes", *_FACTS), optional=("checks",))
        facts = _facts(row, library)
        for code in row.texts("codes", longest=_LONGEST_NAME):
            if (system, code.value) in library.codes:
                row.wrong(code.line, f"code {code.value!r} has two runbooks")
            library.codes[system, code.value] = facts


def _facts(row: Mapping, library: Library) -> Facts:
    has_meaning = row.line_of("meaning") != row.line
    return Facts(
        first=row.text("first", longest=_LONGEST),
        impact=row.text("impact", longest=_LONGEST),
        steps=tuple(_steps(row, library)),
        mitigation=_lines(row, "mitigation"),
        checks=_lines(row, "checks"),
        meaning=row.text("meaning", longest=_LONGEST) if has_meaning else "",
    )


def _steps(row: Mapping, library: Library) -> Iterator[Step]:
    for step in row.mappings("steps"):
        step.expect(("ask",), optional=("codes", "answers"))
        ask = step.one_of("ask", tuple(library.questions))
        codes = _lines(step, "codes")
        if bool(codes) is not (ask in _COMPARING):
            verb = "needs codes" if ask in _COMPARING else "takes no codes"
            step.wrong(step.line, f"{ask!r} in {step.what} {verb}")
        yield Step(ask, codes, _answers(step))


def _lines(row: Mapping, key: str) -> tuple[str, ...]:
    return tuple(text.value for text in row.texts(key, longest=_LONGEST))


def _answers(row: Mapping) -> Answers:
    return tuple((key.value, text) for key, text in row.pairs("answers", longest=_LONGEST))


def _texts(document: Mapping, key: str, name: str, allowed: Sequence[str]) -> dict[str, str]:
    found = {}
    for row in document.mappings(key):
        row.expect((name, "text"))
        found[row.one_of(name, allowed)] = row.text("text", longest=_LONGEST)
    _complete(document, key, found, allowed)
    return found


def _complete(
    document: Mapping, key: str, found: dict[str, str] | dict[str, Facts], allowed: Sequence[str]
) -> None:
    for one in allowed:
        if one not in found:
            document.wrong(document.line_of(key), f"{key} lacks {str(one)!r}")
