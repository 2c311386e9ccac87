"""The errors and their docstring, and the answer to each refusal."""

import inspect
import json
import re
from http import HTTPStatus

import pytest

from exporter import errors
from exporter.errors import (
    REFUSALS,
    REFUSED_REASONS,
    REJECTED_REASONS,
    ExporterError,
    LedgerUnavailable,
    NothingValid,
    Refused,
    TooManyRequests,
)
from exporter.problem import problem


def test_reasons_are_unique_and_values_of_labels() -> None:
    reasons = (*REFUSED_REASONS, *REJECTED_REASONS)
    assert len(set(reasons)) == len(reasons)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", reason) for reason in reasons)


def test_docstring_has_the_tree_of_errors() -> None:
    drawn = set(re.findall(r"^[ │├└─]*([A-Z]\w+)  ", errors.__doc__ or "", re.M))
    classes = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, ExporterError) and value not in REFUSALS
    }
    assert {"ExporterError", *drawn} == classes


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.reason)
def test_refusal_is_answered_with_a_problem_document(refusal: type[Refused]) -> None:
    error = refusal("why", []) if refusal is NothingValid else refusal("why")
    status, headers, body = problem(error)
    fields = dict(headers)
    assert {"status", "reason", "title"} <= vars(refusal).keys()
    assert status == HTTPStatus(refusal.status)
    assert fields[b"content-type"] == b"application/problem+json"
    assert fields[b"content-length"] == str(len(body)).encode()
    assert json.loads(body) == {
        "type": f"urn:session-end-exporter:{refusal.reason}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": "why",
        "reason": refusal.reason,
    } | ({"rejected": []} if refusal is NothingValid else {})
    assert (b"retry-after" in fields) == (status in (429, 503))
    challenge = b'Bearer realm="session-end-exporter"'
    assert fields.get(b"www-authenticate") == (challenge if status == 401 else None)


def test_retry_after_is_that_of_the_error() -> None:
    assert (b"retry-after", b"7") in problem(TooManyRequests("why", retry_after=7))[1]
    assert (b"retry-after", b"1") in problem(LedgerUnavailable("why", retry_after=0))[1]


@pytest.mark.parametrize("text", ["a\r\nSet-Cookie: x", "</script>", "\u202e", '"'])
def test_text_of_a_sender_stays_text(text: str) -> None:
    status, headers, body = problem(NothingValid(text, [{"index": 0, "message": text}]))
    assert status == 422
    sent = json.loads(body)
    assert (sent["detail"], sent["rejected"][0]["message"]) == (text, text)
    assert not any(b"\n" in value or b"\r" in value for _, value in headers)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("it's \\d", "'it's \\d'"),
        ("é日😀", "'é日😀'"),
        ("a\u200b\n\ud800\xa0", "'a<U+200B><U+000A><U+D800><U+00A0>'"),
        ("x" * 81, f"'{'x' * 80}…'"),
    ],
)
def test_quoted_text_is_cut_and_shows_invisible_characters(text: str, shown: str) -> None:
    assert errors.quoted(text) == shown
