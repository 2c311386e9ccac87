"""The fields of a session-end event, and the accepted spellings of their names."""

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

FIELDS: Final = (
    "system",
    "code",
    "id",
    "session_id",
    "occurred_at",
    "duration_seconds",
    "phase",
    "final",
    "user",
    "labels",
)
MAPPABLE: Final = ("event", *(field for field in FIELDS if field != "labels"))
"""Fields to which an attribute of a log record can be mapped. `event` is the name of the record's event: it
tells session ends from other records."""
PLACEHOLDERS: Final = frozenset(
    ("undefined", "null", "None", "nil", "<nil>", "NaN", "nan", "[object Object]", str(UUID(int=0)))
)
"""Texts that programs write for a missing value. As an id, session id or user they count as absent: of all
ends with the id "undefined", only the first was counted."""
BEACON_FIELDS: Final = ("reason", "age_seconds")
"""Further fields of a browser's event."""
_LONGEST: Final = 64
"""Most characters of a name that is matched. The name of every field is shorter than a third of it."""
_SEPARATORS: Final = str.maketrans("", "", "_-. ")
_CODE: Final = re.compile(
    "(close|disconnect|end|err|error|exit|fail|failure|reason|result|return)code"
)
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")


def _key(name: str) -> str:
    # A regular expression took three times as long, and a megabyte of JSON has 150,000 keys.
    return "".join(name.casefold().replace("_", "").replace("-", "").split())


_BY_KEY: Final = {_key(name): name for name in FIELDS}
_BEACON_BY_KEY: Final = {_key(name): name for name in (*FIELDS, *BEACON_FIELDS)}


def name_key(name: str) -> str:
    """A key that is equal for all spellings of a name: case, spaces, `_` and `-` do not matter.

    It is "" for a name of more than 64 characters.
    """
    return _key(name) if len(name) <= _LONGEST else ""


def field_named(name: str, *, beacon: bool = False) -> str | None:
    """The field that a key or a column means, or None: case, spaces, `_` and `-` do not matter."""
    fields = _BEACON_BY_KEY if beacon else _BY_KEY
    return fields.get(name_key(name))


def by_name(names: Iterable[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """The value of each name, or None. Names match in any spelling, after an exactly equal name."""
    spelled = {name_key(name): value for name, value in values.items() if value not in (None, "")}
    # A long name has no key.
    return {name: values.get(name) or spelled.get(name_key(name) or name) for name in names}


def same_name(name: str, other: str) -> bool:
    """Whether two names differ by case, spaces, `_` and `-` at most."""
    return _key(name) == _key(other)


def attribute_key(name: str) -> str:
    """A key that is equal for all spellings of an attribute: case, spaces, `_`, `-` and `.` do not matter."""
    return name.translate(_SEPARATORS).casefold()


@lru_cache(maxsize=256)
def nearest_field(name: str) -> str | None:
    """The field that an ignored name probably means, for a hint: `errorcode` is near `code`."""
    if len(name) > _LONGEST:
        return None
    if _CODE.fullmatch(_key(name)):
        return "code"
    if _key(name) == "uid":
        # `uid` resembles `id`, but a user's id as the event's id would count only one session of each user.
        return "user"
    # Many names with the word "user" mean no user: user_agent, user_count.
    words = {word.casefold() for word in _WORD.findall(name)} - {"user"}
    near = difflib.get_close_matches(_key(name), _BY_KEY, n=1, cutoff=0.75)
    return _BY_KEY[near[0]] if near else next((field for field in FIELDS if field in words), None)
