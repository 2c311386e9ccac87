"""The frame of every HTML page of the ops listener: one style sheet inside, no script, no request."""

import base64
import hashlib
from html import escape
from typing import Final

from starlette.responses import HTMLResponse

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --ground: #fff;
  --panel: #f6f8fa; --link: #0550ae; --good: #116329; --bad: #a40e26; --warn: #7a4b00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b3; --line: #3d444d;
  --ground: #0d1117; --panel: #161b22; --link: #79c0ff; --good: #56d364; --bad: #ff938a;
  --warn: #e3b341; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--ground);
  color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 1.25rem 0 .25rem; }
section p { margin: .35rem 0 .6rem; }
a { color: var(--link); text-underline-offset: .15em; }
a:focus-visible, pre:focus-visible, .wide:focus-visible { outline: 3px solid var(--link);
  outline-offset: 2px; }
code, pre { font: .9em/1.5 ui-monospace, "DejaVu Sans Mono", Consolas, monospace; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .75rem;
  overflow-x: auto; overflow-wrap: normal; }
.wide { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .75rem .4rem 0; text-align: left;
  vertical-align: top; overflow-wrap: normal; }
th { color: var(--soft); font-weight: 600; }
td:last-child { overflow-wrap: anywhere; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.5rem; margin: .5rem 0; }
dt { color: var(--soft); } dd { margin: 0; font-variant-numeric: tabular-nums; }
ul { padding-left: 1.25rem; margin: .5rem 0; }
.lead { color: var(--soft); margin: 0 0 1.25rem; max-width: 44rem; }
.state { border: 1px solid var(--line); border-left: .4rem solid; border-radius: 6px;
  background: var(--panel); padding: .6rem 1rem; margin: 0; }
.good { border-left-color: var(--good); } .good strong { color: var(--good); }
.bad { border-left-color: var(--bad); } .bad strong { color: var(--bad); }
.warn { border-left-color: var(--warn); } .warn strong { color: var(--warn); }
.state + .state { margin-top: .5rem; }
.operation { border-left: 3px solid var(--line); margin: 1.5rem 0; padding-left: 1rem; }
.operation h3 { margin-top: 0; }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
@media (max-width: 36rem) { th, td { padding-right: .5rem; font-size: .93rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } }
"""
_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Content-Security-Policy of every page: were event text ever to get in unescaped, it could do nothing."""


def page(title: str, body: str, status: int = 200) -> HTMLResponse:
    """A whole page. `title` is text; `body` is HTML whose texts the caller has escaped."""
    return HTMLResponse(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n".encode("utf-8", "replace"),
        status,
    )


def table(caption: str, head: list[str], rows: list[list[str]], numbers: int = 0) -> str:
    """A table that scrolls by itself; cells are HTML, `head` and `caption` text.

    The last `numbers` columns are right-aligned.
    """
    first = len(head) - numbers

    def cells(tag: str, row: list[str]) -> str:
        made = []
        for place, cell in enumerate(row):
            number = ' class="number"' if place >= first else ""
            scope = ' scope="col"' if tag == "th" else ""
            made.append(f"<{tag}{scope}{number}>{cell}</{tag}>")
        return f"<tr>{''.join(made)}</tr>"

    lines = "\n".join(cells("td", row) for row in rows)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption)}"><table>\n'
        f"<thead>{cells('th', [escape(one) for one in head])}</thead>\n"
        f"<tbody>\n{lines}\n</tbody>\n</table></div>"
    )
