"""Overlays: files that change a system of another file without copying it."""

from collections.abc import Sequence

from exporter.taxonomy.document import Line, Mapping
from exporter.taxonomy.model import normalise


def merge(document: Mapping, overlays: Sequence[Mapping]) -> list[Mapping]:
    """The rows of a system's codes as its overlays change and complete them.

    `document` takes the overlays' objective. Every key keeps the line it was written on, so that a reader
    of the result names the overlay where a value does not fit.
    """
    rows: dict[str, Mapping] = {}
    for source in (document, *overlays):
        if source is not document and "objective" in source:
            _take(document, "objective", source, document)
        first: dict[str, Line] = {}
        for row in source.mappings("codes"):
            given = row.scalar("code")
            # A row without a code is a mistake of its own, found where it is read.
            code = normalise(given.written) if given else str(row.line)
            line = row.line_of("code")
            if (before := first.setdefault(code, line)) != line:
                row.wrong(
                    line, f"code {code!r} is written twice, first on {before.seen_from(line)}"
                )
            elif (known := rows.setdefault(code, row)) is not row:
                # Read for its mistakes: a code that is not quoted would match all the same.
                row.what = f"code {row.text('code')!r}"
                for key in row.names():
                    if key != "code":
                        _take(known, key, row, document)
    return list(rows.values())


def _take(target: Mapping, key: str, source: Mapping, document: Mapping) -> None:
    """Takes a key; it is a mistake to replace another value of another overlay."""
    there, here = target.line_of(key), source.line_of(key)
    replaces = key in target and there.path != document.line.path and key != "aliases"
    if replaces and target.scalar(key) != source.scalar(key):
        source.wrong(
            here,
            f"{key} in {source.what} has another value on {there.seen_from(here)}; overlays must agree: "
            "remove one of the two",
        )
    target.take(key, source)
