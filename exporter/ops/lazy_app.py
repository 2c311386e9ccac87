"""The ops listener from the start: answers health at once, other paths when FastAPI is imported.

After a restart, neither senders nor readiness probes wait for that import. So health uses no Starlette.
"""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from exporter import names
from exporter.errors import LedgerUnavailable, MethodNotAllowed
from exporter.ledger.contract import Ledger
from exporter.ops.recent_ends import RecentEnds
from exporter.problem import problem

_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_NO_STORE = (b"cache-control", b"no-store")
_NOSNIFF = (b"x-content-type-options", b"nosniff")


class _NotReady(LedgerUnavailable):
    """A new ledger takes events after a damaged one was moved aside, but the exporter is not ready."""

    title = "The exporter is not ready"


class LazyApp:
    """ASGI app that answers `/-/healthy` and `/-/ready` itself, without a token: kubelets have none.

    Other requests go to the app that `create` returns, called in a thread by `prepare` or at the first
    request. `create` gets the recent ends, which are sampled every minute.
    """

    def __init__(
        self,
        ledger: Ledger,
        create: Callable[[RecentEnds], ASGIApp],
        recent_ends: RecentEnds | None = None,
        minute: float = 60,
    ) -> None:
        self._ledger = ledger
        self._create = create
        self._recent_ends = recent_ends or RecentEnds(ledger.totals)
        self._minute = minute
        self._app: asyncio.Future[ASGIApp] | None = None
        self._sampling: asyncio.TimerHandle | None = None

    def prepare(self) -> None:
        """Start to create the app, also after a failure. Call it on the event loop."""
        if self._app is None or _failed(self._app):
            loop = asyncio.get_running_loop()
            self._app = loop.run_in_executor(None, self._create, self._recent_ends)
        if self._sampling is None:
            self._sampling = asyncio.get_running_loop().call_later(self._minute, self._sample)

    def _sample(self) -> None:
        """Sample in a thread: adding up many series takes longer than an event may wait."""
        loop = asyncio.get_running_loop()
        self._sampling = loop.call_later(self._minute, self._sample)
        loop.run_in_executor(None, self._recent_ends.sample)

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
        await app(scope, receive, send)

    def _health(self, scope: Scope) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if scope["method"] not in ("GET", "HEAD"):
            detail = f"this path does not take {scope['method']}"
            return problem(MethodNotAllowed(detail, allow=("GET", "HEAD")))
        ledger, ready = self._ledger.status(), scope["path"] == names.READY_PATH
        reason = ledger.unready() if ready else ledger.stopped()
        if reason is not None:
            status, headers, body = problem(_NotReady(reason))
            return status, [*headers, _NOSNIFF], body
        body = b"ready" if ready else b"ok"
        length = (b"content-length", b"%d" % len(body))
        return 200, [_TEXT, length, _NO_STORE, _NOSNIFF], body


def _failed(app: "asyncio.Future[ASGIApp]") -> bool:
    """The import fails while no file descriptor is free; it must be tried again later."""
    return app.done() and (app.cancelled() or app.exception() is not None)
