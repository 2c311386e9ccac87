"""The style sheet and the scripts of the pages, and the policy that allows these and no others."""

import base64
import hashlib
from importlib.resources import files
from typing import Final


def _read(name: str) -> str:
    return (files("exporter.ops") / "static" / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


STYLE: Final = _read("page.css")
SCRIPTS: Final = {name: _read(f"{name}.js") for name in ("codes", "copy")}
"""By name. They are written into the page, as the style sheet is: a page is one request, with its token."""

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
"""Content-Security-Policy of every page: were event text ever to get in unescaped, it could do nothing.
Hashes and no nonce: pages are the same each time, and no nonce can leak."""
