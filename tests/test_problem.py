"""A refusal as its sender reads it."""

import json

import pytest

from exporter.errors import (
    BodyTooLarge,
    LedgerUnavailable,
    NothingValid,
    Refused,
    TooManyRequests,
    Unauthorized,
    refusals,
)
from exporter.problem import problem


@pytest.mark.parametrize("kind", list(refusals()), ids=lambda kind: kind.reason)
def test_every_refusal_is_a_problem(kind: type[Refused]) -> None:
    error = kind("why", []) if kind is NothingValid else kind("why")
    status, headers, body = problem(error)
    fields = dict(headers)
    assert status == kind.status
    assert fields[b"content-type"] == b"application/problem+json"
    assert fields[b"content-length"] == str(len(body)).encode()
    expected = {
        "type": f"urn:session-end-exporter:{kind.reason}",
        "title": kind.title,
        "status": kind.status,
        "detail": "why",
        "reason": kind.reason,
    }
    got = json.loads(body)
    assert got == expected | ({"rejected": []} if kind is NothingValid else {})
    assert (b"retry-after" in fields) == (status in (429, 503))
    assert (b"www-authenticate" in fields) == (status == 401)


def test_the_rejections_are_in_the_answer() -> None:
    rejected: list[dict[str, object]] = [{"index": 3, "reason": "too_deep", "message": "no"}]
    assert json.loads(problem(NothingValid("why", rejected))[2])["rejected"] == rejected


def test_retry_after_is_what_the_error_says() -> None:
    assert (b"retry-after", b"7") in problem(TooManyRequests("why", retry_after=7))[1]
    assert (b"retry-after", b"30") in problem(LedgerUnavailable("why", retry_after=30))[1]
    assert (b"retry-after", b"1") in problem(LedgerUnavailable("why", retry_after=0))[1]


def test_a_401_says_how_to_authenticate() -> None:
    headers = dict(problem(Unauthorized("why"))[1])
    assert headers[b"www-authenticate"] == b'Bearer realm="session-end-exporter"'


@pytest.mark.parametrize("text", ["\ud800", "a\r\nSet-Cookie: x", "</script>", "\u202e", '"'])
def test_text_of_a_sender_stays_text(text: str) -> None:
    r"""Fails without the second encoder: a lone surrogate turned the 422 into a 500."""
    status, headers, body = problem(NothingValid(text, [{"index": 0, "message": text}]))
    assert status == 422
    got = json.loads(body)
    assert (got["detail"], got["rejected"][0]["message"]) == (text, text)
    assert not any(b"\n" in value or b"\r" in value for _, value in headers)


def test_a_detail_of_its_own_is_kept() -> None:
    assert json.loads(problem(BodyTooLarge("1048577 bytes, max_body"))[2])["detail"] == (
        "1048577 bytes, max_body"
    )
