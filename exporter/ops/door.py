"""What every ops request passes before any route: the gate on the way in, safe headers on the way out."""

from typing import Protocol

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.errors import Refused
from exporter.problem import problem


class Gate(Protocol):
    """Who may look; `exporter.tokens.Gate` is one."""

    def check(self, authorization: bytes | None, client: str) -> None:
        """Pass, or raise a `Refused`; `client` is the peer's address."""


class Door:
    """ASGI middleware. In front of the router, so that a path without a route is guarded too."""

    def __init__(self, app: ASGIApp, gate: Gate, policy: str) -> None:
        self._app = app
        self._gate = gate
        self._headers = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cache-control": "no-store",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
            await send(message)

        try:
            self._admit(scope)
        except Refused as refused:
            await refusal(refused)(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)

    def _admit(self, scope: Scope) -> None:
        found = [value for name, value in scope["headers"] if name == b"authorization"]
        # Two headers are no authorization at all: a proxy may have checked the other one.
        client = scope.get("client")
        self._gate.check(found[0] if len(found) == 1 else None, client[0] if client else "")


def refusal(refused: Refused, allow: str | None = None) -> Response:
    """A refusal as a response; `allow` is the Allow header of a 405."""
    status, headers, body = problem(refused)
    response = Response(body, status)
    response.raw_headers = headers if allow is None else [*headers, (b"allow", allow.encode())]
    return response
