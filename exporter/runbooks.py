"""Runbooks of codes and alerts: Markdown files, and their HTML."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from markupsafe import Markup

from exporter.lookup.codes import OWNERS
from exporter.names import UNKNOWN
from exporter.shipped import shipped
from exporter.taxonomy.model import Code, System, Taxonomy

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

SHIPPED: Final = shipped("rules/runbooks")
"""The folder of the shipped files."""
_QUERY: Final = "promql"
"""The language of fenced blocks with a query."""
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")

Values = Mapping[str, str]
"""Values by the name of their placeholder."""


def file_of_code(system: System, code: Code, folders: Sequence[Path] = ()) -> Path | None:
    """The file of a code, if it has one.

    `folders` are the operator's taxonomy folders. Their `runbooks/<system>/<code>.md` override the
    shipped files, the last folder first. Codes with the same name share the file of the first code.
    """
    first = next((row.code for row in system.codes if row.name == code.name), code.code)
    for folder in (*(path / "runbooks" for path in reversed(folders)), SHIPPED):
        for name in (code.code, first):
            path = folder / system.system / f"{name}.md"
            if path.is_file():
                return path
    return SHIPPED / "unknown.md" if code.code == UNKNOWN else None


def file_of_alert(name: str) -> Path:
    """The file of an alert of the shipped rules."""
    return SHIPPED / "alerts" / f"{name}.md"


def warnings(taxonomy: Taxonomy, folders: Sequence[Path] = ()) -> Iterator[str]:
    """Warnings about files in `folders` that no code has."""
    names = {
        f"{system.system}/{code.code}.md"
        for system in taxonomy.systems.values()
        for code in system.all_codes
    }
    for folder in folders:
        runbooks = folder / "runbooks"
        for path in sorted(runbooks.rglob("*.md")):
            if str(path.relative_to(runbooks)) not in names:
                yield f"{path}: no code has this runbook; the name is runbooks/<system>/<code>.md"


@dataclass(frozen=True, slots=True)
class QueryLinks:
    """Base URLs without a trailing slash; "" for no link."""

    prometheus: str = ""
    grafana: str = ""

    def of(self, query: str) -> Iterator[tuple[str, str]]:
        """Text and URL of each link to the query's graph over three hours."""
        if self.prometheus:
            # Prometheus 3 redirects /graph to /query and still accepts `tab=0`, the graph of version 2.
            panel = {"g0.expr": query, "g0.tab": 0, "g0.range_input": "3h"}
            yield "Open in Prometheus", f"{self.prometheus}/graph?{urlencode(panel)}"
        if self.grafana:
            # Explore uses the default data source.
            pane = {
                "queries": [{"refId": "A", "expr": query}],
                "range": {"from": "now-3h", "to": "now"},
            }
            explore = {"schemaVersion": 1, "panes": json.dumps({"run": pane})}
            yield "Open in Grafana", f"{self.grafana}/explore?{urlencode(explore)}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """Escaped HTML: `first` is the part before the first heading, `rest` begins with that heading."""

    first: Markup
    rest: Markup


def of_code(
    system: System, code: Code, folders: Sequence[Path], links: QueryLinks
) -> tuple[Rendered, Rendered]:
    """The code's own runbook, and the diagnosis that is common to all codes."""
    own = file_of_code(system, code, folders) or SHIPPED / "default.md"
    shared = SHIPPED / "diagnosis.md"
    return (
        render(_read(own), values(code), links),
        render(_read(shared), values(code), links, "shared-query"),
    )


def of_alert(name: str, links: QueryLinks) -> Rendered:
    return render(_read(file_of_alert(name)), {}, links)


def values(code: Code) -> Values:
    """The placeholders that a file may contain, without their braces."""
    names = ("system", "code", "description", "causes", "fix", "phase", "outcome")
    return {name: str(getattr(code, name)) for name in names} | {"owner": OWNERS[code.owner]}


def render(text: str, values: Values, links: QueryLinks, name: str = "query") -> Rendered:
    """The HTML of a text, with `{key}` replaced by the value of `key` after parsing: no value is markup.

    Queries have the ids `<name>-1`, `<name>-2`, …: the files of one page need different names.
    """
    markdown = _markdown()
    tokens = markdown.parse(text)
    # The page has its own title.
    if tokens and tokens[0].tag == "h1":
        tokens = tokens[3:]
    quoted = {
        name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in values.items()
    }
    for place, token in enumerate(tokens):
        if token.type == "fence":
            token.content = _fill(token.content.rstrip(), quoted)
        elif token.type == "heading_open":
            token.attrSet("id", re.sub(r"\W+", "-", tokens[place + 1].content.lower()))
        for child in token.children or ():
            child.content = _fill(child.content, values)
    env = {"links": links, "name": name, "count": 0}
    html = markdown.renderer.render(tokens, markdown.options, env)
    first, *rest = re.split("(?=<h[1-6])", html)
    return Rendered(Markup(first), Markup("".join(rest)))  # noqa: S704


@cache
def _markdown() -> "MarkdownIt":
    # `check` only looks for files: the import takes 90 ms.
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    markdown.add_render_rule("fence", _fence)
    return markdown


def _fill(text: str, values: Values) -> str:
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def _fence(_: Any, tokens: "Sequence[Token]", place: int, __: Any, env: Any) -> str:
    """A block of code. A query has links and a copy button, which the page's script makes visible."""
    text = escape(tokens[place].content)
    if tokens[place].info != _QUERY:
        return f"<pre><code>{text}</code></pre>\n"
    env["count"] += 1
    number = f"{env['name']}-{env['count']}"
    links = "".join(
        f'<a href="{escape(url)}">{label}</a> '
        for label, url in env["links"].of(tokens[place].content)
    )
    return (
        f'<div class="copied"><pre><code id="{number}">{text}</code></pre>\n'
        f'<p>{links}<button type="button" class="copy" data-copies="{number}" '
        f'aria-label="Copy {number.replace("-", " ")}" hidden>Copy</button></p></div>\n'
    )


def _read(path: Path) -> str:
    # At each view: an edit of a file is visible at once.
    return path.read_text(encoding="utf-8", errors="replace")
