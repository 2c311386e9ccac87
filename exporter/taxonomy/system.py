"""Reads a system from its YAML file and its overlays, and validates it."""

import re
from collections.abc import Iterable
from dataclasses import MISSING, fields
from itertools import groupby
from operator import itemgetter
from typing import Final

from exporter.names import UNKNOWN
from exporter.taxonomy.index import Index, index
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
    unknown_code,
)
from exporter.taxonomy.spellings import compact, normalize
from exporter.yaml_file import Line
from exporter.yaml_mapping import YamlMapping

PHASE_SOURCES: Final = ("vendor", "derived")
SYSTEM_KEYS: Final = ("system", "title", "source", "phase_source", "normal", "categories", "codes")
OPTIONAL_SYSTEM_KEYS: Final = ("objective",)
OVERLAY_KEYS: Final = ("extends", "objective", "codes")
"""The first is required."""
CODE_KEYS: Final = tuple(
    field.name for field in fields(Code) if field.default is MISSING and field.name != "system"
)
OPTIONAL_CODE_KEYS: Final = ("aliases", "planned", "spike_floor")
LONGEST_NAME: Final = 64
LONGEST_SOURCE: Final = 256
NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
NAME_RULE: Final = "allowed are lower-case letters, digits and _, starting with a letter"
CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""A code is a path segment of its runbook and part of file names: no slash, no space."""
CODE_RULE: Final = "allowed are letters, digits, '.', '_' and '-', starting with a letter or digit"
_RESERVED: Final = "is reserved for undocumented codes"


def read_system(document: YamlMapping, merged: Iterable[YamlMapping]) -> System | None:
    """The system in a file with its overlays. Use it only if no mistake was reported."""
    document.expect(SYSTEM_KEYS, optional=OPTIONAL_SYSTEM_KEYS)
    name = document.text("system", longest=LONGEST_NAME)
    if name and not NAME.fullmatch(name):
        document.wrong("system", f"system {name!r} is not a system's name; {NAME_RULE}")
    title = document.text("title", longest=LONGEST_SPELLING)
    source = document.text("source", longest=LONGEST_SOURCE)
    phase_source = document.one_of("phase_source", PHASE_SOURCES)
    categories = _categories(document)
    rows = {
        code: row for row in merged if (code := _code(row, document, name, categories)) is not None
    }
    spellings = _index(document, rows)
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
        codes=tuple(rows),
        normal=normal,
        unknown=unknown_code(name),
        spellings=spellings.plain,
        compact=spellings.compact,
        possible=spellings.possible,
        objective=DEFAULT_OBJECTIVE if objective is None else objective,
    )


def _categories(document: YamlMapping) -> dict[str, str]:
    headings = document.mapping("categories")
    if headings is None:
        return {}
    for name in headings.names():
        if not NAME.fullmatch(name):
            headings.wrong(name, f"category {name!r} is not a category's name; {NAME_RULE}")
        elif name == UNKNOWN:
            headings.wrong(name, f"category {UNKNOWN!r} {_RESERVED}")
    return {name: headings.text(name, longest=LONGEST_SPELLING) for name in headings.names()}


def _code(
    row: YamlMapping, document: YamlMapping, system: str, categories: dict[str, str]
) -> Code | None:
    """The code of a row; None after some mistakes."""
    code = row.text("code", longest=LONGEST_NAME)
    if code:
        row.what = f"code {code!r}"
    if normalize(code) == UNKNOWN:
        row.wrong("code", f"code {code!r} {_RESERVED}; it can't be written or changed")
        return None
    missing = ", ".join(key for key in CODE_KEYS if key not in row)
    if code and missing and row.line_of("code").path != document.line.path:
        row.wrong(
            "code",
            f"{system} has no code {code!r}, and a new code needs {missing} too; "
            "correct the code, or add these keys",
        )
        return None
    row.expect(CODE_KEYS, optional=OPTIONAL_CODE_KEYS)
    name = row.text("name", longest=LONGEST_SPELLING)
    read_code = Code(
        system=system,
        code=code,
        name=name,
        phase=row.one_of("phase", PHASES),
        # Without categories, a mistake already, every row would be wrong.
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
    if normalize(name) == UNKNOWN:
        row.wrong("name", f"name {name!r} in {row.what} {_RESERVED}")
    if code and not CODE.fullmatch(code):
        row.wrong("code", f"code {code!r} can't be part of a path; {CODE_RULE}")
    return read_code if code else None


def _changed_by(row: YamlMapping, document: YamlMapping) -> str:
    """The lines and keys of overlays that change a row: `mine.yaml:7 (severity, aliases)`."""
    changes = sorted(
        (line.path, line.number, key)
        for key in row.names()
        for line in row.lines_of(key)
        if line.path != document.line.path
    )
    parts = []
    for path, group in groupby(changes, key=itemgetter(0)):
        _, lines, keys = zip(*group, strict=True)
        changed = "new code" if "code" in keys else ", ".join(dict.fromkeys(keys))
        parts.append(f"{path}:{lines[0]} ({changed})")
    return "; ".join(parts)


def _aliases(row: YamlMapping) -> tuple[str, ...]:
    first: dict[str, Line] = {}
    aliases = []
    for alias, line in row.texts("aliases", longest=LONGEST_SPELLING):
        spelling = normalize(alias)
        if spelling == UNKNOWN:
            row.wrong(line, f"alias {alias!r} in {row.what} {_RESERVED}")
        elif spelling and (other := first.setdefault(spelling, line)) is line:
            aliases.append(alias)
        elif spelling and other.path == line.path:
            # In two files it is no mistake: a later release may ship the alias of an overlay.
            row.wrong(
                line,
                f"alias {alias!r} in {row.what} is written twice, first on {other.relative_to(line)}",
            )
    return tuple(aliases)


def _index(document: YamlMapping, rows: dict[Code, YamlMapping]) -> Index:
    spellings = index(tuple(rows))
    for (first, second), shared in spellings.clashes.items():
        lines = [(_line_of(rows[code], shared[0]), code.code) for code in (second, first)]
        # Reported in the overlay if one of the two is an overlay's.
        lines.sort(key=lambda pair: pair[0].path == document.line.path)
        (line, code), (other_line, other_code) = lines
        document.wrong(
            line,
            f"{', '.join(map(repr, shared))} would mean code {code!r} and code {other_code!r} "
            f"({other_line.relative_to(line)}); a spelling means one code: remove it from one of the two",
        )
    return spellings


def _line_of(row: YamlMapping, spelling: str) -> Line:
    """The line of the alias, name or code that a spelling comes from."""
    for alias in row.texts("aliases", longest=LONGEST_SPELLING):
        if compact(alias.value) == compact(spelling):
            return alias.line
    name = row.text("name", longest=LONGEST_SPELLING)
    return row.line_of("name" if compact(name) == compact(spelling) else "code")


def _normal(document: YamlMapping, rows: dict[Code, YamlMapping]) -> Code | None:
    name = document.text("normal", longest=LONGEST_NAME)
    if not name or not rows:
        return None
    code = next((code for code in rows if code.code == name), None)
    if code is None:
        codes = ", ".join(code.code for code in rows)
        document.wrong(
            "normal", f"normal {name!r} is not a code of this file; its codes are {codes}"
        )
    elif code.outcome is not Outcome.SUCCESS:
        line, outcome = document.line_of("normal"), rows[code].line_of("outcome")
        document.wrong(
            line if outcome.path == line.path else outcome,
            f"normal {name!r} has outcome {code.outcome.value!r}; the normal end must have "
            f"outcome {Outcome.SUCCESS.value!r}",
        )
    return code
