"""Overlays: files that change a system of another file."""

from collections.abc import Sequence

from exporter.taxonomy.spellings import normalize
from exporter.yaml_file import Line
from exporter.yaml_mapping import Mapping


def merge(document: Mapping, overlays: Sequence[Mapping]) -> list[Mapping]:
    """The rows of a system's codes, with the changes of its overlays.

    `document` takes the overlays' objective. Each key keeps its file and line, for messages.
    """
    rows: dict[str, Mapping] = {}
    for source in (document, *overlays):
        if source is not document and "objective" in source:
            _take(document, "objective", source, document)
        first: dict[str, Line] = {}
        for row in source.mappings("codes"):
            scalar = row.scalar("code")
            # A row without a code is reported when it is read.
            code = normalize(scalar.written) if scalar else str(row.line)
            line = row.line_of("code")
            if (other := first.setdefault(code, line)) != line:
                row.wrong(
                    line, f"code {code!r} is written twice, first on {other.relative_to(line)}"
                )
            elif (target := rows.setdefault(code, row)) is not row:
                # `text` reports a code that is not quoted, which would match nevertheless.
                row.what = f"code {row.text('code')!r}"
                for key in row.names():
                    if key != "code":
                        _take(target, key, row, document)
    return list(rows.values())


def _take(target: Mapping, key: str, source: Mapping, document: Mapping) -> None:
    """Copy a key, and report two overlays with different values of it."""
    line, other = source.line_of(key), target.line_of(key)
    replaces = key in target and other.path != document.line.path and key != "aliases"
    if replaces and target.scalar(key) != source.scalar(key):
        source.wrong(
            line,
            f"{key} in {source.what} has another value on {other.relative_to(line)}; overlays must "
            "agree: remove one of the two",
        )
    target.take(key, source)
