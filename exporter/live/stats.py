"""Streampixel's project user stats: the question, and what its answers mean.

`GET /projects/userStats/{projectId}?userId=…&apikey=…` → `{"liveUser": 7, "queueUser": 2}`, an error
`{"message": "…"}` (docs.streampixel.io, "Project User Stats" and "Rate limits & error codes").
"""

import re
from typing import Annotated, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from exporter.live.client import Answer
from exporter.live.failures import Failure

_LONGEST_WAIT: Final = 3600.0
"""Seconds of a Retry-After that are believed."""
_Count = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class Counts(NamedTuple):
    """Users of one project: streaming now, and waiting for a worker."""

    live: float
    queued: float


class _Stats(msgspec.Struct):
    liveUser: _Count  # noqa: N815 (the vendor's spelling)
    queueUser: _Count  # noqa: N815


class _Error(msgspec.Struct):
    message: str = ""


def target(base: str, project: str, user: str, key: str) -> str:
    """Path and query of the question. The key is in it, as the vendor wants it: not for any log."""
    query = urlencode({"userId": user, "apikey": key})
    return f"{urlsplit(base).path}/projects/userStats/{quote(project, safe='')}?{query}"


def counts(answer: Answer, key: str) -> Counts:
    """What an answer says. Raises `Failure`, in whose text the key is blacked out."""
    if answer.status != 200:
        raise Failure(_reason(answer.status), _said(answer, key), _wait(answer))
    try:
        stats = msgspec.json.decode(answer.body, type=_Stats)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Failure("bad_answer", _without(key, f"status 200: {error}")) from None
    return Counts(stats.liveUser, stats.queueUser)


def _reason(status: int) -> str:
    known = {401: "unauthorized", 403: "unauthorized", 404: "not_found", 429: "throttled"}
    return known.get(status, "server_error" if 500 <= status < 600 else "bad_answer")


def _said(answer: Answer, key: str) -> str:
    try:
        message = msgspec.json.decode(answer.body, type=_Error).message
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        message = ""
    return _without(key, f"status {answer.status}: {message}").rstrip(": ")


def _without(key: str, text: str) -> str:
    """The text without the key, however it is escaped: servers say back the address that they don't know."""
    return re.sub("".join(map(_spellings, key)), "***", text)


def _spellings(character: str) -> str:
    """A pattern for one of the key's characters, as it is or percent-encoded."""
    return f"(?:{re.escape(character)}|%(?i:{ord(character):02x}))"


def _wait(answer: Answer) -> float:
    text = answer.headers.get("retry-after", "").strip()
    return min(float(text[:9]), _LONGEST_WAIT) if text.isascii() and text.isdigit() else 0.0
