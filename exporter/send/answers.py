"""What an answer means: counted, refused event by event, to be split, to be sent again, or the end."""

import email.utils
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from exporter.errors import ExporterError
from exporter.send.connection import Answer

RETRIED = frozenset((408, 425, 429))
"""Statuses below 500 that say: the same request again, later. Every one from 500 on does too."""


class Undelivered(ExporterError):
    """Events could not be delivered, and trying on is of no use; the text is for the sender."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Every event of a request has its answer. `rejected` has (index in the request, message)."""

    accepted: int
    duplicates: int
    rejected: tuple[tuple[int, str], ...]


def to_be_retried(answer: Answer) -> bool:
    """Whether the server says that it counted nothing now and may count it later."""
    return answer.status in RETRIED or answer.status >= 500


def too_large(answer: Answer) -> bool:
    return answer.status == 413


def settled(answer: Answer, sent: int) -> Settled:
    """How each of the `sent` events was answered by a 200 or a 422.

    Raises `Undelivered` for every other status, and for a 200 that does not account for each event:
    it comes from something else than the exporter, a proxy's page say, and acknowledges nothing.
    """
    body = _object(answer.body)
    if answer.status == 200:
        found = Settled(
            _count(body, "accepted"), _count(body, "duplicates"), _rejections(body, sent)
        )
        total = found.accepted + found.duplicates + len(found.rejected)
        if min(found.accepted, found.duplicates) >= 0 and total == sent:
            return found
        raise Undelivered("the answer 200 does not account for the events: is it the exporter?")
    if answer.status == 422:
        found = Settled(0, 0, _rejections(body, sent))
        if len(found.rejected) == sent:
            return found
        text = problem(answer)
        return Settled(0, 0, tuple((index, text) for index in range(sent)))
    if answer.status == 401:
        raise Undelivered(
            "401: the server wants a valid token: give it with --token-file (a line of the "
            f"server's ingest token file). It says: {problem(answer)}"
        )
    if 300 <= answer.status < 400:
        raise Undelivered(
            f"{answer.status}: moved to {answer.location or 'nowhere'}: is that the --url?"
        )
    raise Undelivered(f"{answer.status}: {problem(answer)}")


def problem(answer: Answer) -> str:
    """The answer's own words, from a problem+json where it is one."""
    body = _object(answer.body)
    for name in ("detail", "title"):
        if isinstance(text := body.get(name), str) and text:
            return text[:500]
    return "no further details"


def retry_after(answer: Answer, now: Callable[[], float]) -> float | None:
    """Seconds that the server asks to wait, from a number or a date; `now` is the wall clock."""
    text = answer.retry_after.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now())
    except (ValueError, OverflowError):
        return None


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _count(body: dict[str, Any], name: str) -> int:
    """The number, -1 where there is none."""
    value = body.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else -1


def _rejections(body: dict[str, Any], sent: int) -> tuple[tuple[int, str], ...]:
    items = body.get("rejected")
    found = {}
    for item in items if isinstance(items, list) else ():
        index = item.get("index") if isinstance(item, dict) else None
        if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < sent:
            found[index] = str(item.get("message") or item.get("reason") or "no reason given")
    return tuple(sorted(found.items()))
