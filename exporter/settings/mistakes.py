"""A wrong setting as one line: where it was set, its value, and what to write."""

import difflib
from collections.abc import Mapping
from typing import Any, Final

from exporter.ledger.address import masked
from exporter.settings.model import Settings
from exporter.settings.values import unit

_INSTRUCTIONS: Final = {
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "greater_than": "write more than {gt:g}{unit}",
    "greater_than_equal": "write at least {ge:g}{unit}",
    "less_than_equal": "write at most {le:.16g}{unit}",
    "finite_number": "write a finite number",
    "float_parsing": "write a number",
    "float_type": "write a number",
    "int_from_float": "write a whole number",
    "int_parsing": "write a whole number",
    "int_parsing_size": "write a whole number",
    "int_type": "write a whole number",
    "literal_error": "write {expected}",
    "path_type": "write a path in quotes",
    "string_type": "write text in quotes",
    "string_unicode": "write UTF-8 text",
    "too_long": "list at most {max_length} items",
    "tuple_type": "write a list",
    "value_error": "{error}",
}
"""What to do about each type of pydantic's errors."""


def mistake(error: Mapping[str, Any], places: Mapping[str, str]) -> str:
    """One of pydantic's errors; `places` says where each setting was set."""
    name, *index = error["loc"]
    place = places[str(name)] + "".join(f"[{number}]" for number in index)
    if error["type"] == "extra_forbidden":
        return f"{place}: {no_such_setting(str(name))}"
    field_unit = unit(Settings.model_fields[str(name)])
    context: dict[str, Any] = {"unit": "" if field_unit == "B" else field_unit}
    context |= {"msg": error["msg"], **error.get("ctx", {})}
    return assigned(
        place, error["input"], _INSTRUCTIONS.get(error["type"], "{msg}").format(**context)
    )


def assigned(place: str, value: object, instruction: str) -> str:
    """What to write in place of `value`, whose passwords are not shown."""
    if isinstance(value, str) and "://" in value:
        value = masked(value)
    return f"{place} = {value!r}: {instruction}"


def no_such_setting(name: str) -> str:
    near = difflib.get_close_matches(name, Settings.model_fields, n=3, cutoff=0.5)
    names = ", ".join(near or Settings.model_fields)
    return f"no such setting; {'similar' if near else 'all'}: {names}"
