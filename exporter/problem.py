"""The answer to a refused request: `application/problem+json` (RFC 9457)."""

from typing import Any, Final

import msgspec

from exporter.errors import NothingValid, Refused, Unauthorized

CHALLENGE: Final = (b"www-authenticate", b'Bearer realm="session-end-exporter"')
"""RFC 9110 11.6.1 requires it on every 401. Without it Go and Java clients report a malformed answer."""
RETRY_AFTER: Final = 1
"""Default Retry-After of a 429 or 503, in seconds. Without the header, senders would wait longer than the
queue stays full."""
REFUSED: Final = "session_end_exporter.refused"
"""Key of an ASGI scope: the listener has already refused, answered and counted this request."""
_URN: Final = "urn:session-end-exporter:"

Header = tuple[bytes, bytes]


def problem(refused: Refused) -> tuple[int, list[Header], bytes]:
    """Status, headers (lower-case names, without `date` and `connection`) and body of the answer."""
    content_type, body = refused.body or (b"application/problem+json", _document(refused))
    headers = [
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *refused.headers,
    ]
    if refused.retry_after is not None or refused.status in (429, 503):
        wait = RETRY_AFTER if refused.retry_after is None else refused.retry_after
        headers.append((b"retry-after", b"%d" % max(wait, 1)))
    if isinstance(refused, Unauthorized):
        headers.append(CHALLENGE)
    return refused.status, headers, body


def _document(refused: Refused) -> bytes:
    document: dict[str, Any] = {
        "type": _URN + refused.reason,
        "title": refused.title,
        "status": refused.status,
        "detail": refused.detail,
        "reason": refused.reason,
    }
    if isinstance(refused, NothingValid):
        document["rejected"] = refused.rejected
    return msgspec.json.encode(document)
