"""Names of fields in the spellings of people and programs."""

import pytest

from exporter.event_fields import field_named, ignored


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("code", "code"),
        ("Code", "code"),
        (" CODE ", "code"),
        ("sessionId", "session_id"),
        ("Session ID", "session_id"),
        ("occurred-at", "occurred_at"),
        ("DurationSeconds", "duration_seconds"),
        ("\tcode\u2003", "code"),
        ("code" + " " * 61, None),
        ("codes", None),
        ("error_code", None),
        ("", None),
    ],
)
def test_field_named_ignores_case_and_punctuation(name: str, field: str | None) -> None:
    assert field_named(name) == field


def test_ignored_names_come_with_the_nearest_field() -> None:
    long = "code " * 13
    names = (
        "code",
        "errorCode",
        "error_code",
        "codes",
        "ocurred_at",
        "user_id",
        "userId",
        "UID",
        "user_agent",
        "comment",
        long,
    )
    assert ignored(names) == {
        "errorCode": "code",
        "error_code": "code",
        "codes": "code",
        "ocurred_at": "occurred_at",
        "user_id": "user",
        "userId": "user",
        "UID": "user",
        "user_agent": None,
        "comment": None,
        long: None,
    }
