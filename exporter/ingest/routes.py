"""Routes of the ingest listener other than `/v1/session-ends`."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from starlette.types import Receive

from exporter import names
from exporter.errors import MethodNotAllowed, NotFound
from exporter.ingest.guard import Headers

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers (lower-case names, with `content-length`) and body."""


class Request(NamedTuple):
    """A request to a route.

    `rest` is the last segment of a path such as `/v1/beacons/{key}`, percent-decoded; empty for a fixed path.
    `headers` have lower-case names, and the last value of a repeated header. `client` is the sender's
    address without port.
    """

    method: str
    rest: str
    headers: Headers
    client: str
    receive: Receive


class Route(Protocol):
    """Answers requests to one path, on the event loop and many at a time.

    Methods other than `methods` are answered 405 before `take`.
    """

    methods: tuple[str, ...]

    async def take(self, request: Request) -> Answer | None:
        """The answer, or None when the sender went away before its body was there.

        Raises a `Refused` when nothing was counted or done. The error is counted, answered as problem+json
        with its `headers`, and logged: its detail must not contain a key or token.
        """


def answer(
    body: bytes, *headers: tuple[bytes, bytes], media: bytes = b"application/json"
) -> Answer:
    """The 200 with a body of type `media`."""
    length = (b"content-length", b"%d" % len(body))
    return 200, [*headers, (b"content-type", media), length], body


def find_route(routes: Mapping[str, Route], method: str, path: str) -> tuple[Route, str]:
    """The route of a path and the segment after it. Raises `NotFound` or `MethodNotAllowed`.

    A path of `routes` that ends in `/` takes exactly one further segment, which is not empty.
    """
    prefix, slash, rest = path.rpartition("/")
    route = routes.get(prefix + slash) if rest else None
    if route is None and rest:
        route, rest = routes.get(path), ""
    if route is None:
        raise NotFound(
            f"no such path; session ends are sent to {names.INGEST_PATH} or {names.LOGS_PATH}"
        )
    if method not in route.methods:
        raise MethodNotAllowed(
            f"{method[:20]}: this path takes {', '.join(route.methods)}", allow=route.methods
        )
    return route, rest
