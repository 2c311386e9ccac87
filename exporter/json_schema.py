"""JSON Schemas (draft 2020-12) of the files that `exporter.yaml_mapping` reads, for editors.

They refuse spaces before or after a name or an enumerated value. The reader removes such spaces.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

Schema = dict[str, Any]

# str.isprintable refuses 700 ranges of characters, which differ between versions of Python. The schemas
# refuse only control characters, invisible spaces and marks of the text direction.
_CONTROLS: Final = "\x00-\x09\x0b-\x1f\x7f-\xa0\xad"
_INVISIBLE: Final = "\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ue000-\uf8ff\ufeff"
_UNPRINTABLE: Final = _CONTROLS + _INVISIBLE


def document(title: str, schema: Schema) -> Schema:
    """A whole schema, with its dialect and title."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "DO NOT EDIT: `make schemas` writes this file.",
        **schema,
        "title": title,
    }


def mapping(required: Sequence[str], optional: Sequence[str], values: Mapping[str, Any]) -> Schema:
    """A mapping with these keys and no others. Raises `KeyError` for a key without a value."""
    return {
        "type": "object",
        "properties": {key: values[key] for key in (*required, *optional)},
        "required": list(required),
        "additionalProperties": False,
    }


def items(item: Schema, description: str, **limits: object) -> Schema:
    """A list that is not empty."""
    return {"description": description, "type": "array", "items": item, "minItems": 1, **limits}


def one_of(values: Sequence[str], description: str) -> Schema:
    return {"description": description, "enum": [str(value) for value in values]}


def number(description: str, **limits: object) -> Schema:
    return {"description": description, "type": "number", **limits}


def name(pattern: str, rule: str, description: str, **more: object) -> Schema:
    """A text that matches a regular expression as a whole; `rule` is the message that some editors show."""
    return _matching(f"^(?:{pattern})$", rule, description, **more)


def line(description: str, *, longest: int, **more: object) -> Schema:
    """A printable text of one line that is not empty."""
    character = rf"[^\n{_UNPRINTABLE}]"
    # A block scalar of YAML ends with a newline.
    pattern = rf"^{character}*[^\s{_UNPRINTABLE}]{character}*\n*$"
    rule = "write one line, without invisible characters"
    return _matching(pattern, rule, description, maxLength=longest, **more)


def text(description: str, **more: object) -> Schema:
    """A printable text that is not empty."""
    character = rf"[^{_UNPRINTABLE}]"
    pattern = rf"^{character}*[^\s{_UNPRINTABLE}]{character}*$"
    return _matching(pattern, "write a text, without invisible characters", description, **more)


def _matching(pattern: str, rule: str, description: str, **more: object) -> Schema:
    texts = {"description": description, "type": "string", "pattern": pattern}
    return {**texts, "patternErrorMessage": rule, **more}
