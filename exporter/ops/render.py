"""HTML pages from `templates/`, and their Content-Security-Policy."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from jinja2 import Environment


def _read(name: str) -> str:
    return (files("exporter.ops") / "static" / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_PART: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=_)")
STYLE: Final = _read("page.css")
SCRIPT: Final = _read("copy.js")
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"style-src {_source(STYLE)}",
        f"script-src {_source(SCRIPT)}",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy of every page: markup from an event that was not escaped could run no script."""


def render(template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
    """A page. Texts in `values` are escaped; a missing value raises `UndefinedError`."""
    text = _environment().get_template(template).render(values)
    # The text of an event may contain a lone surrogate.
    return HTMLResponse(text.encode("utf-8", "replace"), status_code)


@cache
def _environment() -> "Environment":
    """Created for the first page: a scrape does not need Jinja2."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape

    def breakable(text: str) -> Markup:
        """A name that may be broken between its parts, on narrow screens."""
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
    environment.filters.update(thousands="{:,}".format, utc=_utc, breakable=breakable)
    # In the page itself, so that a page is a single authenticated request.
    environment.globals.update(
        style=Markup(STYLE),  # noqa: S704 - a file of this package
        script=Markup(SCRIPT),  # noqa: S704
    )
    return environment


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
