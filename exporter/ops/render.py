"""HTML pages from the templates in `templates/`, and the Content-Security-Policy that they need.

The style sheet and the scripts are written into each page: a page is one request, with its credentials.
"""

import base64
import hashlib
import re
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import HTMLResponse

from exporter.ops.links import alert_path, code_path, search_path

if TYPE_CHECKING:
    from jinja2 import Environment


def _read(name: str) -> str:
    return (files("exporter.ops") / "static" / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_PART: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=_)")
STYLE: Final = _read("page.css")
SCRIPTS: Final = {name: _read(f"{name}.js") for name in ("codes", "copy")}
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"style-src {_source(STYLE)}",
        f"script-src {' '.join(map(_source, SCRIPTS.values()))}",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy of every page: text of an event that was not escaped could still do nothing.
Hashes and no nonce, because the style sheet and the scripts never change while the process runs."""


def render(template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
    """A page. Every text in `values` is escaped; a name that the template uses and `values` lacks is an
    error."""
    text = _environment().get_template(template).render(values)
    # An event may bring half of a surrogate pair.
    return HTMLResponse(text.encode("utf-8", "replace"), status_code)


@cache
def _environment() -> "Environment":
    """Loaded with the first page: a scrape does not need Jinja2."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape

    def code_spans(text: str) -> Markup:
        """Text with `code` between backticks."""
        pieces = enumerate(str(escape(text)).split("`"))
        spans = (f"<code>{piece}</code>" if place % 2 else piece for place, piece in pieces)
        return Markup("".join(spans))  # noqa: S704 - escaped above

    def breakable(text: str) -> Markup:
        """A name that may break at its parts: a phone has no room for the long ones."""
        return Markup(_PART.sub("<wbr>", str(escape(text))))  # noqa: S704 - escaped

    environment = Environment(
        loader=PackageLoader("exporter.ops"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    environment.filters.update(
        thousands="{:,}".format, utc=_utc, code_spans=code_spans, breakable=breakable
    )
    environment.globals.update(
        style=Markup(STYLE),  # noqa: S704 - a file of this package
        scripts={name: Markup(text) for name, text in SCRIPTS.items()},  # noqa: S704
        code_path=code_path,
        alert_path=alert_path,
        search_path=search_path,
    )
    return environment


def _utc(seconds: float) -> str:
    """Unix seconds as people read them."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
