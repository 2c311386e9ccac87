"""Answers and requests as bytes, where no application writes or reads them."""

from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from exporter.errors import Refused
from exporter.problem import Header, problem

_UPGRADE_HEADERS = (b"upgrade", b"http2-settings")


def refusal(error: Refused, default_headers: Iterable[Header] = ()) -> bytes:
    """The answer to a refused request; the connection closes after it."""
    status, headers, body = problem(error)
    lines = [*default_headers, *headers, (b"connection", b"close")]
    head = b"".join(b"%s: %s\r\n" % line for line in lines)
    return b"%s%s\r\n%s" % (STATUS_LINE[status], head, body)


def without_upgrade(method: bytes, target: bytes, version: str, headers: Iterable[Header]) -> bytes:
    """The head of a request, without its wish for another protocol."""
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"connection":
            tokens = [token.strip() for token in value.split(b",")]
            kept = [token for token in tokens if token.lower() not in _UPGRADE_HEADERS]
            lines.append(b"connection: " + b", ".join(kept))
        elif name not in _UPGRADE_HEADERS:
            lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"
