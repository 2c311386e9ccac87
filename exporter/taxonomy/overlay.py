"""Overlays: files that change a system of another file without copying it."""

from collections.abc import Sequence

from exporter.taxonomy.document import Line, Mapping
from exporter.taxonomy.model import normalise


def merge(document: Mapping, overlays: Sequence[Mapping]) -> list[Mapping]:
    """The rows of a system's codes as its overlays change and complete them.

    `document` takes the overlays' objective. Every key keeps the line it was written on, so that a reader
    of the result names the overlay where a value does not fit.
    """
    rows = list(document.mappings("codes"))
    by_code = {_code(row): row for row in rows}
    for overlay in overlays:
        _take(document, "objective", overlay, document)
        first: dict[str, Line] = {}
        for change in overlay.mappings("codes"):
            code = _code(change)
            change.what = f"code {code!r}"
            if (line := first.setdefault(code, change.line)) != change.line:
                change.wrong(
                    change.line,
                    f"{change.what} is written twice, first on {line.seen_from(change.line)}",
                )
            elif (row := by_code.get(code)) is None:
                by_code[code] = change
                rows.append(change)
            else:
                # For its mistakes: a code that is not quoted would match all the same.
                change.text("code")
                for key in change.names():
                    _take(row, key, change, document)
    return rows


def _code(row: Mapping) -> str:
    given = row.scalar("code")
    return normalise(given.written) if given else ""


def _take(target: Mapping, key: str, source: Mapping, document: Mapping) -> None:
    if key == "code" or key not in source:
        return
    there, here = target.line_of(key), source.line_of(key)
    changed = key in target and there.path != document.line.path and key != "aliases"
    if changed and target.scalar(key) != source.scalar(key):
        source.wrong(
            here,
            f"{key} in {source.what} has another value on {there.seen_from(here)}; overlays must agree: "
            "remove one of the two",
        )
    target.take(key, source)
