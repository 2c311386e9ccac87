"""A peer: an ASGI application that reads the body and answers a constant, the minimum for an event."""

from typing import Any

_ANSWER = b'{"accepted":1,"duplicates":0,"rejected":[]}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_ANSWER))]


async def app(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _ANSWER})
