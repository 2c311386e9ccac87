"""Makes systems of the shipped files and those of the operator's folders, with their overlays."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError
from exporter.taxonomy.file import OVERLAY, ROW, SYSTEM
from exporter.taxonomy.model import Code, Outcome, Row, System, Taxonomy, unknown_code
from exporter.taxonomy.spellings import Index, compact, index, normalize
from exporter.yaml_file import Line, YamlMapping, read

_SHIPPED: Final = Path(__file__).parent
_SUFFIXES: Final = (".yaml", ".yml")


def load(folders: Sequence[Path] = ()) -> Taxonomy:
    """The shipped systems, then the systems of `folders`, changed by the overlays of `folders`.

    Overlays begin with `extends: SYSTEM`. The files of a folder are read in the order of their names.
    Raises `ConfigError` with every mistake of every file, each as `path:line: message`.
    """
    mistakes: list[str] = []
    documents: dict[str, YamlMapping] = {}
    overlays: list[YamlMapping] = []
    for path in _files([_SHIPPED, *folders], mistakes):
        document = read(path, mistakes)
        if document is None:
            continue
        name = str(document.values.get("system", path))
        if "extends" in document.values:
            overlays.append(document)
        elif name in documents:
            document.wrong(
                document.line_of("system"),
                f"is loaded already, from {documents[name].line.path}; to change it, write extends: {name} "
                "in place of this line, and only what differs",
                "system",
            )
        else:
            documents[name] = document
    changes: dict[str, list[YamlMapping]] = {name: [] for name in documents}
    for overlay in overlays:
        extended = str(overlay.values["extends"])
        if overlay.validate(OVERLAY) and extended not in documents:
            line = overlay.line_of("extends")
            overlay.wrong(line, f"must be one of {', '.join(documents)}", "extends")
        changes.setdefault(extended, []).append(overlay)
    systems = {
        name: system
        for name, document in documents.items()
        if (system := read_system(document, changes[name])) is not None
    }
    if mistakes:
        raise ConfigError(*mistakes)
    return Taxonomy(systems)


def _files(folders: Sequence[Path], mistakes: list[str]) -> Iterator[Path]:
    for folder in folders:
        try:
            paths = sorted(folder.iterdir())
        except OSError as error:
            mistakes.append(f"{folder}: the folder can't be read: {error.strerror}")
            continue
        # Hidden files are copies of editors, or Kubernetes' "..data".
        paths = [p for p in paths if p.suffix in _SUFFIXES and not p.name.startswith(".")]
        if not paths:
            mistakes.append(f"{folder}: the folder holds no .yaml or .yml file")
        yield from paths


def _merge(document: YamlMapping, overlays: Sequence[YamlMapping]) -> list[YamlMapping]:
    """The rows of a system's codes, with the changes of its overlays.

    `document` takes the overlays' objective. Each key keeps its file and line, for messages.
    """
    rows: dict[str, YamlMapping] = {}
    for source in (document, *overlays):
        if source is not document and "objective" in source.values:
            _take(document, "objective", source, document)
        first: dict[str, Line] = {}
        for row in source.mappings("codes"):
            code, line = row.values.get("code"), row.line_of("code")
            if code is None:
                row.wrong(line, "is required", "code")
                continue
            row.what = f"code {code!r}"
            if not isinstance(code, str):
                row.wrong(line, "must be text in quotes", "code")
            name = normalize(str(code))
            if (other := first.setdefault(name, line)) != line:
                row.wrong(line, f"is written twice, first on {other}")
            elif (target := rows.setdefault(name, row)) is not row:
                for key in row.values:
                    if key != "code":
                        _take(target, key, row, document)
    return list(rows.values())


def _take(target: YamlMapping, key: str, source: YamlMapping, document: YamlMapping) -> None:
    """Copy a key, and report two overlays with different values of it."""
    line, other = source.line_of(key), target.line_of(key)
    replaces = key in target.values and other.path != document.line.path and key != "aliases"
    if replaces and target.values[key] != source.values[key]:
        rule = f"has another value on {other}; remove one of the two"
        source.wrong(line, rule, key)
    target.take(key, source)


def read_system(document: YamlMapping, overlays: Sequence[YamlMapping]) -> System | None:
    """The system of a file with its overlays. Use it only if no mistake was reported."""
    merged = _merge(document, overlays)
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
