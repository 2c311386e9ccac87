"""Makes a system of its file and its overlays."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields

from exporter.taxonomy.file import ROW, SYSTEM
from exporter.taxonomy.model import Code, Outcome, Row, System, unknown_code
from exporter.taxonomy.spellings import Index, compact, index, normalize
from exporter.yaml_file import Line, YamlMapping


def read_system(document: YamlMapping, merged: Iterable[YamlMapping]) -> System | None:
    """The system of a file with its overlays. Use it only if no mistake was reported."""
    merged = list(merged)
    file = document.validate(SYSTEM)
    rows = {code: row for row in merged if (code := _code(row, document)) is not None}
    spellings = _index(document, rows)
    line, name = document.line_of("normal"), document.values.get("normal")
    names = [str(row.values["code"]) for row in merged]
    if names and name is not None and name not in names:
        document.wrong(line, f"must be one of {', '.join(names)}", "normal")
    normal = next((code for code in rows if code.code == name), None)
    if normal is None:
        return None
    if normal.outcome is not Outcome.SUCCESS:
        row = rows[normal]
        row.wrong(row.line_of("outcome"), "must be success for the normal end", "outcome")
    if file is None:
        return None
    return System(
        **file.model_dump(exclude={"codes", "normal"}),
        codes=tuple(rows),
        normal=normal,
        unknown=unknown_code(file.system),
        index=spellings,
    )


def _code(row: YamlMapping, document: YamlMapping) -> Code | None:
    """The code of a row; None after a mistake."""
    missing = [field.name for field in fields(Row)[:10] if field.name not in row.values]
    line = row.line_of("code")
    system = document.values.get("system")
    if missing and line.path != document.line.path and "code" not in missing:
        row.wrong(line, f"{system} has no such code, and a new code needs {', '.join(missing)}")
        return None
    values = row.validate(ROW)
    if values is None:
        return None
    categories = document.values.get("categories")
    if categories and isinstance(categories, dict) and values.category not in categories:
        place = row.line_of("category")
        row.wrong(place, f"must be one of {', '.join(categories)}", "category")
    texts = asdict(values) | {
        # The same alias in two files is no mistake: a later release may ship the alias of an overlay.
        "aliases": tuple({normalize(alias): alias for alias in values.aliases}.values())
    }
    return Code(**texts, system=str(system), changed_by=_changed_by(row, document))


def _changed_by(row: YamlMapping, document: YamlMapping) -> str:
    """The first line of each overlay that changes a row."""
    lines: dict[str, int] = {}
    for line in row.lines():
        if line.path != document.line.path:
            lines[line.path] = min(line.number, lines.get(line.path, line.number))
    return ", ".join(f"{path}:{number}" for path, number in lines.items())


def _index(document: YamlMapping, rows: dict[Code, YamlMapping]) -> Index:
    spellings = index(tuple(rows))
    of_codes = {code.code: row for code, row in rows.items()}
    for spelling, *codes in spellings.clashes:
        lines = [(_line_of(of_codes[code], spelling), code) for code in codes]
        # Reported in the overlay if one of the two is an overlay's, otherwise in the later line.
        lines.sort(key=lambda pair: (pair[0].path == document.line.path, -pair[0].number))
        (line, code), (other_line, other_code) = lines
        document.wrong(
            line,
            f"this spelling of code {code!r} also means code {other_code!r} ({other_line}); remove it from "
            "one of the two",
        )
    return spellings


def _line_of(row: YamlMapping, spelling: str) -> Line:
    """The line of the alias, name or code that a spelling comes from."""
    aliases: Sequence[str] = row.values.get("aliases", ())
    for number, alias in enumerate(aliases):
        if compact(alias) == compact(spelling):
            return row.line_of("aliases", number)
    return row.line_of("name" if compact(row.values["name"]) == compact(spelling) else "code")
