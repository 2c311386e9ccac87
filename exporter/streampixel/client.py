"""HTTP client of Streampixel's live stats. Only a configured poller imports httpx.

`GET /projects/userStats/{projectId}?userId=…&apikey=…` → `{"liveUser": 7, "queueUser": 2}`
(docs.streampixel.io, "Project User Stats" and "Rate limits & error codes").
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Annotated, Final

import httpx
import msgspec

from exporter import __version__
from exporter.streampixel.live_stats import PollFailed, Users

MAX_BODY: Final = 64 * 1024
"""Bytes of an answer; a documented answer has 30."""
_MAX_RETRY_AFTER: Final = 3600.0
_REASONS: Final = {401: "unauthorized", 403: "unauthorized", 404: "not_found", 429: "throttled"}
_Count = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class _Stats(msgspec.Struct):
    liveUser: _Count  # noqa: N815 (Streampixel's spelling)
    queueUser: _Count  # noqa: N815


class StatsClient:
    """Reads the users of one account's projects. `key` is called for each request.

    `url` is an https URL, or http on loopback; the settings check that. The key is sent to no other
    server: redirects are not followed and proxies of the environment are ignored.
    """

    def __init__(self, url: str, user: str, key: Callable[[], str], timeout: float) -> None:
        self._url = url
        self._user = user
        self._key = key
        self._timeout = timeout
        # httpx logs the URL of each request, which contains the key, at INFO.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._http = httpx.AsyncClient(
            headers={
                "User-Agent": f"session-end-exporter/{__version__}",
                "Accept": "application/json",
                # A small compressed body could decompress to more bytes than the size limit.
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
            # The system's certificates, or those of SSL_CERT_FILE, instead of certifi's.
            verify=ssl.create_default_context(),
            # `users` has a timeout. This one applies to each read: a byte a second would pass it.
            timeout=None,  # noqa: S113
            trust_env=False,
        )

    async def users(self, project: str) -> Users:
        """The users of a project now. Raises `PollFailed` without text of the server, which may repeat the
        key."""
        url = f"{self._url}/projects/userStats/{project}"
        params = {"userId": self._user, "apikey": self._key()}
        self._http.cookies.clear()
        body = b""
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._http.stream("GET", url, params=params) as response,
            ):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > MAX_BODY:
                        raise PollFailed("bad_answer", f"more than {MAX_BODY:,} bytes")
        except TimeoutError:
            detail = f"no complete answer within {self._timeout:g} s"
            raise PollFailed("timeout", detail) from None
        except httpx.HTTPError as error:
            invalid = isinstance(error, httpx.RemoteProtocolError)
            reason = "bad_answer" if invalid else "connection"
            # Text of this machine only, such as "Name or service not known".
            local = isinstance(error, httpx.ConnectError)
            raise PollFailed(reason, str(error) if local else type(error).__name__) from None
        status = response.status_code
        if status != 200:
            reason = _REASONS.get(status, "server_error" if status >= 500 else "bad_answer")
            text = response.headers.get("retry-after", "").strip()
            seconds = float(text) if text.isdecimal() else 0.0
            raise PollFailed(reason, f"status {status}", min(seconds, _MAX_RETRY_AFTER))
        try:
            stats = msgspec.json.decode(body, type=_Stats)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise PollFailed("bad_answer", "no JSON object with liveUser and queueUser") from None
        return stats.liveUser, stats.queueUser
