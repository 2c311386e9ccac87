"""One system read from its YAML file and its overlays, strictly: what they may hold and what they must."""

import re
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from exporter.names import UNKNOWN
from exporter.taxonomy.document import Line, Mapping
from exporter.taxonomy.model import (
    DEFAULT_OBJECTIVE,
    LONGEST_HELP,
    LONGEST_SPELLING,
    PHASES,
    Code,
    Outcome,
    Owner,
    Severity,
    System,
    normalise,
    unknown_code,
)
from exporter.taxonomy.overlay import merge
from exporter.taxonomy.spellings import index

PHASE_SOURCES: Final = ("vendor", "derived")
_SYSTEM_KEYS: Final = (
    "system",
    "title",
    "source",
    "phase_source",
    "normal",
    "categories",
    "codes",
)
_CODE_KEYS: Final = (
    "code",
    "name",
    "phase",
    "category",
    "outcome",
    "owner",
    "severity",
    "description",
    "causes",
    "fix",
)
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""A code is a path segment of its runbook and part of file names, so no slash and no space."""


def read_system(document: Mapping, overlays: Sequence[Mapping]) -> System | None:
    """The system in a file, with its overlays.

    Use it only when reading kept no mistake; it is never None then.
    """
    document.expect(_SYSTEM_KEYS, optional=("objective",))
    name = document.text("system", longest=64)
    if name and not _NAME.fullmatch(name):
        document.wrong(
            document.line_of("system"),
            f"system {name!r} is not a system's name; allowed are lower-case letters, digits "
            "and _, starting with a letter",
        )
    title = document.text("title", longest=LONGEST_SPELLING)
    source = document.text("source", longest=256)
    phase_source = document.one_of("phase_source", PHASE_SOURCES)
    categories = _categories(document)
    rows = {
        code: row
        for row in merge(document, overlays)
        if (code := _code(row, document, name, categories)) is not None
    }
    codes = tuple(rows)
    spellings = _spellings(document, rows)
    normal = _normal(document, rows)
    objective = document.number("objective", least=0, below=1)
    if normal is None:
        return None
    return System(
        system=name,
        title=title,
        source=source,
        phase_source=phase_source,
        categories=categories,
        codes=codes,
        normal=normal,
        unknown=unknown_code(name),
        spellings=spellings,
        objective=DEFAULT_OBJECTIVE if objective is None else objective,
    )


def _categories(document: Mapping) -> dict[str, str]:
    categories = {}
    for key, heading in document.pairs("categories", longest=LONGEST_SPELLING):
        if not _NAME.fullmatch(key.value):
            document.wrong(
                key.line,
                f"category {key.value!r} is not a category's name; allowed are lower-case letters, "
                "digits and _, starting with a letter",
            )
        elif key.value == UNKNOWN:
            document.wrong(key.line, f"category {UNKNOWN!r} is reserved for undocumented codes")
        categories[key.value] = heading
    return categories


def _code(row: Mapping, document: Mapping, system: str, categories: dict[str, str]) -> Code | None:
    """One row of the system in `document`; None where it says nothing of a code."""
    code = row.text("code", longest=64)
    line = row.line_of("code")
    if code:
        row.what = f"code {code!r}"
    if normalise(code) == UNKNOWN:
        row.wrong(
            line,
            f"code {code!r} is reserved for undocumented codes; it can't be written or changed",
        )
        return None
    missing = [key for key in _CODE_KEYS if key not in row]
    if code and missing and line.path != document.line.path:
        row.wrong(
            line,
            f"{system} has no code {code!r}, and a new code needs {', '.join(missing)} too; correct "
            "the code, or add these keys",
        )
        return None
    row.expect(_CODE_KEYS, optional=("aliases", "planned", "spike_floor"))
    name = row.text("name", longest=LONGEST_SPELLING)
    read_code = Code(
        system=system,
        code=code,
        name=name,
        phase=row.one_of("phase", PHASES),
        # Without categories every row would be wrong for the one mistake that is reported already.
        category=row.one_of("category", tuple(categories)) if categories else "",
        outcome=Outcome(row.one_of("outcome", tuple(Outcome), Outcome.FAILURE)),
        owner=Owner(row.one_of("owner", tuple(Owner), Owner.NOBODY)),
        severity=Severity(row.one_of("severity", tuple(Severity), Severity.NONE)),
        description=row.text("description"),
        causes=row.text("causes", most_bytes=LONGEST_HELP),
        fix=row.text("fix", most_bytes=LONGEST_HELP),
        aliases=_aliases(row),
        planned=row.flag("planned"),
        spike_floor=row.number("spike_floor", least=0),
        changed_by=_changed_by(row, document),
    )
    if normalise(name) == UNKNOWN:
        row.wrong(
            row.line_of("name"),
            f"name {name!r} in {row.what} is reserved for undocumented codes",
        )
    if code and not _CODE.fullmatch(code):
        row.wrong(
            line,
            f"code {code!r} can't be part of a path; allowed are letters, digits, '.', '_' and "
            "'-', starting with a letter or digit",
        )
    return read_code if code else None


def _changed_by(row: Mapping, document: Mapping) -> str:
    """Where overlays change a row, and which keys: `mine.yaml:7 (severity, aliases)`."""
    taken = sorted(
        (line.path, line.number, key)
        for key in row.names()
        for line in row.lines_of(key)
        if line.path != document.line.path
    )
    parts = []
    for path, group in groupby(taken, key=itemgetter(0)):
        values = list(group)
        keys = dict.fromkeys(key for _, _, key in values)
        changed = "new code" if "code" in keys else ", ".join(keys)
        parts.append(f"{path}:{values[0][1]} ({changed})")
    return "; ".join(parts)


def _aliases(row: Mapping) -> tuple[str, ...]:
    first: dict[str, Line] = {}
    kept = []
    for alias in row.texts("aliases", longest=LONGEST_SPELLING):
        spelling = normalise(alias.value)
        if spelling == UNKNOWN:
            row.wrong(
                alias.line,
                f"alias {alias.value!r} in {row.what} is reserved for undocumented codes",
            )
        elif spelling and spelling in first:
            # An overlay may have an alias that a later release ships.
            if first[spelling].path == alias.line.path:
                row.wrong(
                    alias.line,
                    f"alias {alias.value!r} in {row.what} is written twice, "
                    f"first on {first[spelling].seen_from(alias.line)}",
                )
        elif spelling:
            first[spelling] = alias.line
            kept.append(alias.value)
    return tuple(kept)


def _spellings(document: Mapping, rows: dict[Code, Mapping]) -> dict[str, Code]:
    spellings, clashes = index(tuple(rows))
    for (first, second), shared in clashes.items():
        places = [(_line_of(rows[code], shared[0]), code) for code in (second, first)]
        # The mistake is the overlay's where an overlay is part of it.
        places.sort(key=lambda place: place[0].path == document.line.path)
        (here, code), (there, other) = places
        document.wrong(
            here,
            f"{', '.join(map(repr, shared))} would mean code {code.code!r} and code {other.code!r} "
            f"({there.seen_from(here)}); a spelling means one code: remove it from one of the two",
        )
    return spellings


def _line_of(row: Mapping, spelling: str) -> Line:
    """Where a row has a spelling: at the alias, the name, or the code that it follows from."""
    for alias in row.texts("aliases", longest=LONGEST_SPELLING):
        if normalise(alias.value) == spelling:
            return alias.line
    name = row.text("name", longest=LONGEST_SPELLING)
    return row.line_of("name" if normalise(name) == spelling else "code")


def _normal(document: Mapping, rows: dict[Code, Mapping]) -> Code | None:
    written = document.text("normal", longest=64)
    if not written or not rows:
        return None
    line = document.line_of("normal")
    for code, row in rows.items():
        if code.code == written:
            if code.outcome is not Outcome.SUCCESS:
                outcome = row.line_of("outcome")
                document.wrong(
                    line if outcome.path == line.path else outcome,
                    f"normal {written!r} has outcome {code.outcome.value!r}; the normal end must "
                    f"have outcome {Outcome.SUCCESS.value!r}",
                )
            return code
    allowed = ", ".join(code.code for code in rows)
    document.wrong(line, f"normal {written!r} is not a code of this file; its codes are {allowed}")
    return None
