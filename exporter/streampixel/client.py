"""HTTP client of Streampixel's live stats. Only a configured poller imports httpx.

`GET /projects/userStats/{projectId}?userId=…&apikey=…` → `{"liveUser": 7, "queueUser": 2}`; an error
is `{"message": "…"}` (docs.streampixel.io, "Project User Stats" and "Rate limits & error codes").
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Callable
from typing import Annotated, Final

import httpx
import msgspec

from exporter import __version__
from exporter.streampixel.poller import PollFailed, Users

MAX_BODY: Final = 64 * 1024
"""Bytes of an answer; a documented answer has 30."""
_MAX_RETRY_AFTER: Final = 3600.0
_REASONS: Final = {401: "unauthorized", 403: "unauthorized", 404: "not_found", 429: "throttled"}
_Count = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class _Stats(msgspec.Struct):
    liveUser: _Count  # noqa: N815 (Streampixel's spelling)
    queueUser: _Count  # noqa: N815


class _Error(msgspec.Struct):
    message: str = ""


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
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
        )

    async def users(self, project: str) -> Users:
        """The users of a project now. Raises `PollFailed`; its text never contains the key."""
        key = self._key()
        self._http.cookies.clear()
        try:
            # httpx's timeout applies to each read: a server that sends a byte a second would pass it.
            async with asyncio.timeout(self._timeout):
                return await self._request(project, key)
        except (TimeoutError, httpx.TimeoutException):
            reason, detail = "timeout", f"no complete answer within {self._timeout:g} s"
        except httpx.RemoteProtocolError as error:
            closed = "without sending" in str(error)
            reason, detail = "connection" if closed else "bad_answer", str(error)
        except httpx.HTTPError as error:
            reason, detail = "connection", str(error)
        raise PollFailed(reason, _redact(key, detail))

    async def _request(self, project: str, key: str) -> Users:
        url = f"{self._url}/projects/userStats/{project}"
        params = {"userId": self._user, "apikey": key}
        body = b""
        async with self._http.stream("GET", url, params=params) as response:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BODY:
                    raise PollFailed("bad_answer", f"the answer has more than {MAX_BODY:,} bytes")
        if (status := response.status_code) != 200:
            reason = _REASONS.get(status, "server_error" if status >= 500 else "bad_answer")
            detail = _redact(key, f"status {status}: {_message(body)}").rstrip(": ")
            raise PollFailed(reason, detail, _retry_after(response))
        try:
            stats = msgspec.json.decode(body, type=_Stats)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise PollFailed("bad_answer", _redact(key, f"status 200: {error}")) from None
        return stats.liveUser, stats.queueUser


def _message(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Error).message
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("retry-after", "").strip()
    return min(float(text[:9]), _MAX_RETRY_AFTER) if text.isascii() and text.isdigit() else 0.0


def _redact(key: str, text: str) -> str:
    """The text without the key, plain or percent-encoded: servers echo the request's URL."""
    pattern = "".join(f"(?:{re.escape(char)}|%(?i:{ord(char):02x}))" for char in key)
    return re.sub(pattern, "***", text)
