"""`GET /v1/collector.js`: the script that pages load."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import exporter
from exporter.ingest.app import Answer, Request

FILE: Final = Path(exporter.__file__).parent / "collector" / "session-end-collector.js"
_MAX_AGE: Final = 86400
"""Seconds until browsers ask again: an upgrade reaches all pages within a day."""


class Script(NamedTuple):
    """A script, plain and as gzip; `version` is a hash of it."""

    body: bytes
    packed: bytes
    version: str


def load(path: Path = FILE) -> Script:
    """The script at `path`. Raises `OSError`."""
    body = path.read_bytes()
    return Script(body, gzip.compress(body, mtime=0), hashlib.sha256(body).hexdigest()[:12])


@dataclass
class ScriptRoute:
    """Answers any page with the script as it was at the start."""

    script: Script
    methods: tuple[str, ...] = ("GET", "HEAD")

    async def take(self, request: Request) -> Answer:
        packed = b"gzip" in request.headers.get(b"accept-encoding", b"").lower()
        # Two representations of one resource need two strong tags (RFC 9110 8.8.3).
        tag = f'"{self.script.version}{"-gzip" if packed else ""}"'.encode()
        headers = [
            (b"etag", tag),
            (b"cache-control", b"public, max-age=%d" % _MAX_AGE),
            (b"vary", b"accept-encoding"),
            (b"access-control-allow-origin", b"*"),
            # Pages with COEP (cross-origin isolation) load no script without this header.
            (b"cross-origin-resource-policy", b"cross-origin"),
            (b"x-content-type-options", b"nosniff"),
        ]
        # If-None-Match compares weakly: `W/` makes no difference.
        known = request.headers.get(b"if-none-match", b"").split(b",")
        if {part.strip().removeprefix(b"W/") for part in known} & {tag, b"*"}:
            return 304, headers, b""
        body = self.script.packed if packed else self.script.body
        headers += [
            (b"content-type", b"text/javascript; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
        ]
        if packed:
            headers.append((b"content-encoding", b"gzip"))
        return 200, headers, body
