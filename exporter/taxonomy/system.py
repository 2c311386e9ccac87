"""One system read from its YAML file, strictly: what the file may hold and what it must."""

import re
from pathlib import Path
from typing import Final

from exporter.names import UNKNOWN
from exporter.taxonomy.document import Mapping, read
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


def read_system(path: Path, mistakes: list[str]) -> System | None:
    """The system in a file, or None with at least one more line in `mistakes`."""
    before = len(mistakes)
    document = read(path, "the system", mistakes)
    if document is None:
        return None
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
    lines: dict[str, int] = {}
    codes = tuple(
        code
        for row in document.mappings("codes")
        if (code := _code(row, name, categories, lines)) is not None
    )
    spellings = _spellings(document, codes, lines)
    normal = _normal(document, codes)
    objective = document.number("objective", least=0, below=1)
    if normal is None or len(mistakes) > before:
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


def _code(
    row: Mapping, system: str, categories: dict[str, str], lines: dict[str, int]
) -> Code | None:
    """One row; `lines` says where each code, normalised, was first written, and is added to."""
    code = row.text("code", longest=64)
    if code:
        row.what = f"code {code!r}"
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
    )
    if normalise(name) == UNKNOWN:
        row.wrong(
            row.line_of("name"),
            f"name {name!r} in {row.what} is reserved for undocumented codes",
        )
    if not code:
        return None
    line = row.line_of("code")
    if normalise(code) == UNKNOWN:
        row.wrong(line, f"code {code!r} is reserved for undocumented codes")
    elif not _CODE.fullmatch(code):
        row.wrong(
            line,
            f"code {code!r} can't be part of a path; allowed are letters, digits, '.', '_' and "
            "'-', starting with a letter or digit",
        )
    first = lines.setdefault(normalise(code), line)
    if first != line:
        row.wrong(line, f"code {code!r} is written twice, first on line {first}")
        return None
    return read_code


def _aliases(row: Mapping) -> tuple[str, ...]:
    first: dict[str, int] = {}
    kept = []
    for alias in row.texts("aliases", longest=LONGEST_SPELLING):
        spelling = normalise(alias.value)
        if spelling == UNKNOWN:
            row.wrong(
                alias.line,
                f"alias {alias.value!r} in {row.what} is reserved for undocumented codes",
            )
        elif spelling and spelling in first:
            row.wrong(
                alias.line,
                f"alias {alias.value!r} in {row.what} is written twice, "
                f"first on line {first[spelling]}",
            )
        elif spelling:
            first[spelling] = alias.line
            kept.append(alias.value)
    return tuple(kept)


def _spellings(
    document: Mapping, codes: tuple[Code, ...], lines: dict[str, int]
) -> dict[str, Code]:
    spellings, clashes = index(codes)
    for (first, second), both in clashes.items():
        document.wrong(
            lines[normalise(second.code)],
            f"{', '.join(map(repr, both))} would mean code {second.code!r} and code {first.code!r} "
            f"(line {lines[normalise(first.code)]}); a spelling means one code",
        )
    return spellings


def _normal(document: Mapping, codes: tuple[Code, ...]) -> Code | None:
    written = document.text("normal", longest=64)
    if not written or not codes:
        return None
    line = document.line_of("normal")
    for code in codes:
        if code.code == written:
            if code.outcome is not Outcome.SUCCESS:
                document.wrong(
                    line,
                    f"normal {written!r} has outcome {code.outcome.value!r}; the normal end must "
                    f"have outcome {Outcome.SUCCESS.value!r}",
                )
            return code
    allowed = ", ".join(code.code for code in codes)
    document.wrong(line, f"normal {written!r} is not a code of this file; its codes are {allowed}")
    return None
