"""Authentication and security headers of the ops listener."""

import binascii
from base64 import b64decode
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.errors import Refused, Unauthorized
from exporter.ops.render import POLICY
from exporter.problem import problem
from exporter.tokens import Authenticator

_BASIC: Final = (b"www-authenticate", b'Basic realm="session-end-exporter", charset="UTF-8"')
"""Makes a browser ask for a password when a runbook link is opened."""
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class SecurityMiddleware:
    """Requires a token, also on paths without a route, as Bearer or as the password of any user."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        values = [value for name, value in scope["headers"] if name == b"authorization"]
        # Two headers are refused: a proxy may have checked only one of them.
        authorization = _as_bearer(values[0]) if len(values) == 1 else None
        client = scope.get("client") or ("",)
        app = self._app
        try:
            self._authenticator.check(authorization, client[0])
        except Refused as refused:
            if scope["path"].startswith("/v1/"):
                refused.detail += "; this is the ops listener, events go to the ingest listener"
            app = refusal(refused)
        await app(scope, receive, send_with_headers)


def _as_bearer(authorization: bytes) -> bytes:
    """The password of Basic credentials as a bearer token; any other value unchanged."""
    scheme, _, credentials = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return authorization
    try:
        return b"Bearer " + b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return authorization


def refusal(refused: Refused) -> Response:
    """The response to a refused request."""
    status, headers, body = problem(refused)
    if isinstance(refused, Unauthorized):
        headers.append(_BASIC)
    response = Response(body, status)
    response.raw_headers = headers
    return response
