"""The frame of every HTML page of the ops listener: style sheet and script inside, no further request."""

from collections.abc import Sequence
from html import escape

from starlette.responses import HTMLResponse

from exporter.ops.markup import Html
from exporter.ops.render import SCRIPTS, STYLE


def page(title: str, body: str, status: int = 200, script: str = "") -> HTMLResponse:
    """A whole page. `title` is text; `body` is HTML whose texts the caller has escaped; `script` is the
    name of one of `assets.SCRIPTS`, run when the body is there."""
    last = f"<script>{SCRIPTS[script]}</script>\n" if script else ""
    return HTMLResponse(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n{last}</body>\n</html>\n".encode("utf-8", "replace"),
        status,
    )


def table(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0
) -> Html:
    """A table that scrolls by itself; cells are HTML, `head` and `caption` text.

    The last `numbers` columns are right-aligned.
    """
    first = len(head) - numbers

    def cells(tag: str, row: Sequence[str]) -> str:
        made = []
        for place, cell in enumerate(row):
            number = ' class="number"' if place >= first else ""
            scope = ' scope="col"' if tag == "th" else ""
            made.append(f"<{tag}{scope}{number}>{cell}</{tag}>")
        return f"<tr>{''.join(made)}</tr>"

    lines = "\n".join(cells("td", row) for row in rows)
    return Html(
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption)}"><table>\n'
        f"<thead>{cells('th', [escape(one) for one in head])}</thead>\n"
        f"<tbody>\n{lines}\n</tbody>\n</table></div>"
    )
