"""Types of settings. An error text is an instruction: `source` puts setting and value in front of it."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue

from exporter.event_fields import MAPPABLE
from exporter.names import RESERVED_LABELS
from exporter.settings.ledger_address import URL, WAIT, check_extra
from exporter.validation import PORT, Pattern

_LONGEST: Final = 10 * 366 * 86400
"""Seconds. With `max_event_age = "800000d"` every request was answered 500: no date is that old."""
_LABEL: Final = r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,63}"
_CONTROL: Final = r"\x00-\x1f\x7f"
_UNSAFE: Final = rf"\s{_CONTROL}\\?#@\x22'<>`{{|}}^"
_PATH: Final = rf"(:{PORT})?(/[^{_UNSAFE}]*)?"
"""Port and path of a URL to which a path can be appended."""
_HOST: Final = rf"([^:/\[\]{_UNSAFE}]+|\[[0-9A-Fa-f:.]+\])"
_LOOPBACK: Final = r"127\.\d+\.\d+\.\d+|localhost|\[::1\]"


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a host; IPv6 with or without brackets."""
    return re.fullmatch(f"{_LOOPBACK}|::1", host) is not None


@dataclass(frozen=True)
class Quantity:
    """Annotation of a number of `unit`, or of a text with a unit. `units` has factors by lower-case name."""

    unit: str
    regex: str
    units: Mapping[str, float]
    rule: str

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> Any:
        return BeforeValidator(self._number).__get_pydantic_core_schema__(kind, handler)

    def __get_pydantic_json_schema__(
        self, schema: Any, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        text = {"type": "string", "pattern": f"^({self.regex})$"}
        return {"anyOf": [handler(schema), text]}

    def _number(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        match = re.fullmatch(self.regex, value.strip())
        if match is None:
            raise ValueError(self.rule)
        return type(self.units[""])(match[1]) * self.units[match[2].lower()]


DURATION: Final = Quantity(
    "s",
    r"(\d+\.?\d*)\s*(ms|s|m|h|d|)",
    {"ms": 0.001, "": 1.0, "s": 1, "m": 60, "h": 3600, "d": 86400},
    "write seconds or a duration such as 15m",
)
SIZE: Final = Quantity(
    "B",
    r"(\d{1,18})\s*([KkMmGg][Ii][Bb]|[Bb]?)",
    {"": 1, "b": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3},
    "write bytes or a size such as 1MiB",
)


def split(value: object) -> object:
    """The items of a comma-separated list; any other value as it is."""
    if not isinstance(value, str):
        return value
    return [item.strip() for item in value.split(",") if item.strip()]


def _path(value: object) -> object:
    """A path or a list of paths as it is: pathlib would make the working directory of an empty text."""
    for item in value if isinstance(value, list | tuple) else (value,):
        # A file with Windows line ends (CRLF) would make a directory with \r in its name.
        if isinstance(item, str) and re.search(rf"^$|^\s|\s$|[{_CONTROL}]", item):
            raise ValueError("write a path without control characters and spaces at the ends")
    return value


def _unreserved(name: str) -> str:
    if name in RESERVED_LABELS:
        raise ValueError(
            "choose another name: the exporter, Prometheus or the alert rules use this label"
        )
    return name


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    for name, count in Counter(names).items():
        if count > 1:
            # Prometheus drops a whole scrape if a series has a label twice, and samples of equal series.
            raise ValueError(f"{name!r} is listed twice; write it once")
    return names


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError:
        # Python's text repeats the value: a proxy's URL may have a password.
        raise ValueError("write an IP address or a network, such as 10.0.0.0/8 or ::1") from None


def _without_slash(url: str) -> str:
    return url.rstrip("/")


_PATH_SCHEMA: Final = {"type": "string", "pattern": f"^[^{_CONTROL}]+$"}
_SPLIT: Final = BeforeValidator(split)
_UNIQUE: Final = Field(json_schema_extra={"uniqueItems": True})

Seconds = Annotated[float, Field(gt=0, le=_LONGEST), DURATION]
SecondsOrZero = Annotated[float, Field(ge=0, le=_LONGEST), DURATION]
PollInterval = Annotated[float, Field(ge=30, le=600), DURATION]
Size = Annotated[int, Field(ge=1), SIZE]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Listener = Annotated[
    str, Pattern(rf"[^\s{_CONTROL}/]+:(0|{PORT})", "write HOST:PORT, such as 127.0.0.1:10400")
]
LedgerUrl = Annotated[str, URL, AfterValidator(check_extra)]
LedgerWait = Annotated[str, WAIT]
ApiUrl = Annotated[
    str,
    Pattern(
        rf"https://{_HOST}{_PATH}|http://({_LOOPBACK}){_PATH}",
        "write an https:// URL without a query; http:// is for loopback only, because the API key is sent "
        "to this URL",
    ),
    AfterValidator(_without_slash),
]
BaseUrl = Annotated[
    str,
    Pattern(
        rf"(https?://{_HOST}{_PATH})?",
        "write a URL without a query, such as https://ops.example.com",
    ),
    AfterValidator(_without_slash),
]
Id = Annotated[
    str, Pattern("[A-Za-z0-9_-]{1,64}", "write an id: up to 64 letters, digits, _ and -")
]
Texts = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1), _SPLIT]
Ids = Annotated[tuple[Id, ...], Field(max_length=50), _UNIQUE, _SPLIT, AfterValidator(_distinct)]
AttributeName = Annotated[
    str,
    Pattern(
        rf"({'|'.join(MAPPABLE)}|labels\.{_LABEL})=\S.*",
        f"write FIELD=ATTRIBUTE, where FIELD is one of {', '.join(MAPPABLE)}, labels.NAME",
    ),
]
AttributeNames = Annotated[tuple[AttributeName, ...], _SPLIT]
LabelName = Annotated[
    str,
    Pattern(_LABEL, "write a label name: letters, digits and _, not starting with a digit or __"),
    AfterValidator(_unreserved),
    Field(json_schema_extra={"not": {"enum": sorted(RESERVED_LABELS)}}),
]
LabelNames = Annotated[tuple[LabelName, ...], _UNIQUE, _SPLIT, AfterValidator(_distinct)]
Network = Annotated[
    str,
    AfterValidator(_network),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f.:]+(/[0-9.]+)?$"}),
]
Networks = Annotated[tuple[Network, ...], _SPLIT]
HostName = Annotated[
    str,
    Pattern(
        r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*",
        "write a host name without a port, such as exporter.example.com or *.example.com",
    ),
]
HostNames = Annotated[tuple[HostName, ...], _SPLIT]
Directory = Annotated[Path, BeforeValidator(_path), WithJsonSchema(_PATH_SCHEMA)]
File = Annotated[Path | None, BeforeValidator(_path), WithJsonSchema(_PATH_SCHEMA)]
Paths = Annotated[
    tuple[Path, ...],
    BeforeValidator(_path),
    _SPLIT,
    WithJsonSchema({"type": "array", "items": _PATH_SCHEMA}),
]
