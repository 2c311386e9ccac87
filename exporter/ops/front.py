"""The ops listener from its first moment: health is answered at once, everything else when FastAPI is there.

Importing FastAPI takes as long as reading a ledger of a million ids back. Senders should not wait for it
after a restart, nor whoever asks whether they can send.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from exporter import names
from exporter.errors import LedgerUnavailable, MethodNotAllowed
from exporter.ledger.contract import Ledger
from exporter.ops.history import History
from exporter.ops.readiness import ended, unready
from exporter.problem import problem

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_SAFE = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class Front:
    """ASGI: `/-/healthy` and `/-/ready` itself, without a token, because kubelets have none; other paths
    by the app that `create` makes, on a thread, from `prepare` or the first request on.

    `history` begins at once, is read every minute from then on, and goes to the app as
    `request.state.history`.
    """

    def __init__(
        self, ledger: Ledger, create: Callable[[], ASGIApp], history: History | None = None
    ) -> None:
        self._ledger = ledger
        self._create = create
        self._history = history or History(ledger.totals)
        self._app: asyncio.Future[ASGIApp] | None = None
        self._sampling = False
        # Before senders are served: read a second later, the pages called what came first "before".
        self._history.sample()

    def prepare(self) -> None:
        """Begin to make the app, again when that failed; called on the event loop."""
        if self._app is None or _failed(self._app):
            self._app = asyncio.get_running_loop().run_in_executor(None, self._create)
            self._app.add_done_callback(_freeze)
        if not self._sampling:
            self._sampling = True
            self._sample()

    def _sample(self) -> None:
        """On a thread: adding up many series takes longer than an event may wait."""
        loop = asyncio.get_running_loop()
        sampled = loop.run_in_executor(None, self._history.sample)
        sampled.add_done_callback(lambda _: loop.call_later(self._history.due(), self._sample))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in (names.HEALTHY_PATH, names.READY_PATH):
            status, headers, body = self._health(scope)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            body = b"" if scope["method"] == "HEAD" else body
            await send({"type": "http.response.body", "body": body})
            return
        self.prepare()
        assert self._app is not None
        app = await asyncio.shield(self._app)
        scope.setdefault("state", {})["history"] = self._history
        await app(scope, receive, send)

    def _health(self, scope: Scope) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if scope["method"] not in ("GET", "HEAD"):
            answer = problem(MethodNotAllowed(f"{scope['method']} is not for this path"))
            return answer[0], [*answer[1], (b"allow", b"GET, HEAD")], answer[2]
        look = unready if scope["path"] == names.READY_PATH else ended
        reason = look(self._ledger.status())
        if reason is not None:
            status, headers, body = problem(LedgerUnavailable(reason))
            return status, [*headers, *_SAFE], body
        body = b"ok" if scope["path"] == names.HEALTHY_PATH else b"ready"
        length = (b"content-length", b"%d" % len(body))
        return 200, [(b"content-type", b"text/plain; charset=utf-8"), length, *_SAFE], body


def _failed(app: "asyncio.Future[ASGIApp]") -> bool:
    """An import fails while no descriptor is free: a failure that is kept would last until a restart."""
    return app.done() and (app.cancelled() or app.exception() is not None)


def _freeze(app: "asyncio.Future[ASGIApp]") -> None:
    """FastAPI and what it brings stay for good, so the collector need not look at them again."""
    if not _failed(app):
        gc.freeze()
