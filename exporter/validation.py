"""Validation with pydantic of the files and settings that operators write: types, messages, JSON Schemas."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

STRICT: Final = ConfigDict(
    extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False
)
"""Of models of YAML files. A block scalar of YAML ends with a newline, which is removed."""
_MESSAGES: Final = {
    "dict_type": "must be a mapping of keys",
    "extra_forbidden": "no such key",
    "list_type": "must be a list",
    "missing": "is required",
    "path_type": "must be a path in quotes",
    "string_type": "must be text in quotes",
    "too_short": "is empty",
    "tuple_type": "must be a list",
    "unexpected_keyword_argument": "no such key",
}
"""Messages in place of pydantic's, by the type of the error."""
PORT: Final = r"(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
"""A regular expression."""
# Control characters, invisible spaces, and marks of the text direction, which would reverse the text of a
# runbook.
_UNPRINTABLE: Final = (
    "\x00-\x09\x0b-\x1f\x7f-\xa0\xad\u061c\u1680\u180e"
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ue000-\uf8ff\ufeff"
)


@dataclass(frozen=True)
class Pattern:
    """Annotation of a text that matches `regex` as a whole; `rule` is the message for other texts."""

    regex: str
    rule: str

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> Any:
        return AfterValidator(self._check).__get_pydantic_core_schema__(kind, handler)

    def __get_pydantic_json_schema__(
        self, schema: Any, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        written, own = handler(schema), {"pattern": f"^(?:{self.regex})$"}
        # A text may have two patterns.
        return written | ({"allOf": [own]} if "pattern" in written else own)

    def matches(self, value: str) -> bool:
        return re.fullmatch(self.regex, value) is not None

    def _check(self, value: str) -> str:
        if not self.matches(value):
            raise ValueError(self.rule)
        return value


# Matches in linear time; two loops over the same characters took seconds for 40 kB.
_NOT_BLANK: Final = r"(?=\s*\S)"
Text = Annotated[
    str,
    Pattern(
        rf"{_NOT_BLANK}[^{_UNPRINTABLE}]*",
        "must be a text that is not empty, without invisible characters",
    ),
]
OneLine = Annotated[
    str,
    Field(max_length=128),
    Pattern(
        rf"{_NOT_BLANK}[^\n{_UNPRINTABLE}]*\n*",
        "must be one line that is not empty, without invisible characters",
    ),
]


def message(error: Mapping[str, Any]) -> str:
    """The rule that one of pydantic's errors is about."""
    rule: str = _MESSAGES.get(error["type"], error["msg"])
    return rule.removeprefix("Value error, ").replace("Input should be", "must be")


class Untitled(GenerateJsonSchema):
    """Omits titles, which repeat the names, and defaults of null."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)
