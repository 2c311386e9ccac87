"""Names of fields in the spellings of people and programs."""

import pytest

from exporter.event_fields import field_named, nearest_field


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


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("errorCode", "code"),
        ("error_code", "code"),
        ("codes", "code"),
        ("ocurred_at", "occurred_at"),
        ("user_id", "user"),
        ("userId", "user"),
        ("UID", "user"),
        ("user_agent", None),
        ("comment", None),
        ("code " * 13, None),
    ],
)
def test_nearest_field_is_the_field_that_a_name_probably_means(
    name: str, field: str | None
) -> None:
    assert nearest_field(name) == field
