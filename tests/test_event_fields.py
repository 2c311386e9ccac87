"""Names of fields in the spellings of people and programs."""

import pytest

from exporter.event_fields import field_named, nearest_field


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("code", ["code", "Code", " CODE ", "\tcode\u2003"]),
        ("session_id", ["sessionId", "Session ID"]),
        ("occurred_at", ["occurred-at"]),
        ("duration_seconds", ["DurationSeconds"]),
        (None, ["code" + " " * 61, "codes", "error_code", ""]),
    ],
)
def test_field_named_ignores_case_and_punctuation(field: str | None, names: list[str]) -> None:
    assert {name: field_named(name) for name in names} == dict.fromkeys(names, field)


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("code", ["errorCode", "error_code", "codes"]),
        ("occurred_at", ["ocurred_at"]),
        ("user", ["user_id", "userId", "UID"]),
        (None, ["user_agent", "comment", "code " * 13]),
    ],
)
def test_nearest_field_is_probably_meant(field: str | None, names: list[str]) -> None:
    assert {name: nearest_field(name) for name in names} == dict.fromkeys(names, field)
