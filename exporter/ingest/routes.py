"""What else the ingest listener serves beside session ends: paths, and what takes their requests."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from exporter import names
from exporter.errors import MethodNotAllowed, NotFound
from exporter.ingest.guard import Headers, Receive

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers (lower-case names, `content-length` among them) and body."""


class Request(NamedTuple):
    """What a route is given.

    `rest` is the last segment of a path such as `/v1/beacons/{key}`, as sent but percent-decoded, and
    empty for a path that is one whole. `headers` have lower-case names, and the last value where one is
    there twice. `client` is the sender's address without port, past trusted proxies.
    """

    method: str
    rest: str
    headers: Headers
    client: str
    receive: Receive


class Route(Protocol):
    """Takes the requests of one path. Many may be under way at once, all on the event loop.

    `methods` are those that it takes: any other is answered 405 with them in Allow, before `take`.
    """

    methods: tuple[str, ...]

    async def take(self, request: Request) -> Answer | None:
        """The answer, or None when the sender went away before its body was there.

        Raises a `Refused` when nothing was counted or done: it is counted by its reason, logged (so its
        detail must not have a key or a token in it) and answered as problem+json, with
        `Refused.headers` beside its own.
        """


class Routes:
    """Routes by path; one ending in `/` takes exactly one further segment, which may not be empty."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._routes = dict(routes)

    def find(self, method: str, path: str) -> tuple[Route, str]:
        """The route of a path and the segment after it. Raises `NotFound` or `MethodNotAllowed`."""
        route, rest = self._routes.get(path), ""
        if route is None:
            cut = path.rfind("/") + 1
            rest = path[cut:]
            route = self._routes.get(path[:cut]) if rest else None
        elif path.endswith("/"):
            route = None
        if route is None:
            raise NotFound(f"there is nothing here; events are sent to {names.INGEST_PATH}")
        if method not in route.methods:
            raise MethodNotAllowed(
                f"{method[:20]}: this path takes {', '.join(route.methods)}", allow=route.methods
            )
        return route, rest
