"""`GET /v1/collector.js`: the script that pages load."""

import gzip
from pathlib import Path
from typing import Final

import exporter
from exporter.ingest.app import Answer, Request, answer

FILE: Final = Path(exporter.__file__).parent / "collector" / "session-end-collector.js"
_HEADERS: Final = (
    # Browsers ask again after a day: an upgrade reaches all pages within that time.
    (b"cache-control", b"public, max-age=86400"),
    (b"vary", b"accept-encoding"),
    (b"access-control-allow-origin", b"*"),
    # Pages with COEP (cross-origin isolation) load no script without this header.
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"x-content-type-options", b"nosniff"),
)
_MEDIA: Final = b"text/javascript; charset=utf-8"


class ScriptRoute:
    """Answers any page with the script as it was at the start. Raises `OSError` without the file."""

    methods: tuple[str, ...] = ("GET", "HEAD")

    def __init__(self) -> None:
        self._body = FILE.read_bytes()
        self._packed = gzip.compress(self._body, mtime=0)

    async def take(self, request: Request) -> Answer:
        if b"gzip" in request.headers.get(b"accept-encoding", b"").lower():
            return answer(self._packed, *_HEADERS, (b"content-encoding", b"gzip"), media=_MEDIA)
        return answer(self._body, *_HEADERS, media=_MEDIA)
