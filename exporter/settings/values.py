"""Types of settings. An error text is an instruction: `source` puts setting and value in front of it."""

import re
from collections import Counter
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic.fields import FieldInfo

from exporter.event_fields import MAPPABLE
from exporter.names import RESERVED_LABELS
from exporter.settings.ledger_address import URL_PATTERN, WAIT_PATTERN, check_url, check_wait

_DURATION: Final = re.compile(r"(\d+\.?\d*)\s*(ms|s|m|h|d|)")
_UNITS: Final = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES: Final = {"": 1, "b": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_LONGEST: Final = 10 * 366 * 86400
"""Seconds. With `max_event_age = "800000d"` every request was answered 500: no date is that old."""
_LABEL: Final = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,63}")
_LABEL_FIELD: Final = re.compile(rf"labels\.{_LABEL.pattern}")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST_NAME: Final = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_STRAY: Final = re.compile(r"[\x00-\x1f\x7f]|^\s|\s$")
_LISTENER: Final = re.compile(r"[^\s/]+:([0-9]{1,5})")
_UNSAFE: Final = r"\s\\?#@\x22'<>`{|}^"
_HTTP_URL: Final = re.compile(
    rf"https?://([^:/\[\]{_UNSAFE}]+|\[[0-9A-Fa-f:.]+\])(?::([1-9][0-9]{{0,4}}))?(?:/[^{_UNSAFE}]*)?"
)
_LOOPBACK: Final = re.compile(r"127\.\d+\.\d+\.\d+|localhost|\[?::1\]?")


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a host; IPv6 with or without brackets."""
    return _LOOPBACK.fullmatch(host) is not None


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    match = _DURATION.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("write seconds or a duration such as 15m")
    return float(match[1]) * _UNITS[match[2]]


def _bytes(value: object) -> int:
    match = re.fullmatch(r"(\d{1,18})\s*([a-z]*)", str(value).strip().lower())
    if match is None or match[2] not in _SIZES:
        raise ValueError("write bytes or a size such as 1MiB")
    return int(match[1]) * _SIZES[match[2]]


def unit(field: FieldInfo) -> Literal["s", "B", ""]:
    """Whether a setting is a number of seconds, of bytes, or neither."""
    parsers = [item.func for item in field.metadata if isinstance(item, BeforeValidator)]
    return "s" if _seconds in parsers else "B" if _bytes in parsers else ""


def split(value: object) -> object:
    """The items of a comma-separated list; any other value as it is."""
    if not isinstance(value, str):
        return value
    return [item.strip() for item in value.split(",") if item.strip()]


def _path(value: object) -> object:
    """A path or a list of paths as it is: pathlib would make the working directory of an empty text."""
    for item in value if isinstance(value, list | tuple) else (value,):
        if item == "":
            raise ValueError("write a path, or leave out the setting")
        if isinstance(item, str):
            _clean(item)
    return value


def _clean(value: str) -> str:
    if _STRAY.search(value):
        raise ValueError(
            "remove spaces at the ends and control characters, such as the \\r of a file with Windows "
            "line ends (CRLF)"
        )
    return value


def _anonymous(value: object) -> object:
    """`true` means both listeners and `false` none."""
    return {"true": "both", "false": "none"}.get(str(value).lower(), value)


def _label(name: str) -> str:
    if not _LABEL.fullmatch(name):
        raise ValueError(
            "write a label name: letters, digits and _, not starting with a digit or __"
        )
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


def _listener(value: str) -> str:
    match = _LISTENER.fullmatch(value)
    if not match or int(match[1]) > 65535:
        raise ValueError("write HOST:PORT, such as 127.0.0.1:10400")
    return value


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError:
        raise ValueError("write an IP address or a network, such as 10.0.0.0/8 or ::1") from None


def _host_name(value: str) -> str:
    if not _HOST_NAME.fullmatch(value):
        raise ValueError(
            "write a host name without a port, such as exporter.example.com or *.example.com"
        )
    return value


def _attribute(value: str) -> str:
    field, equals, attribute = (part.strip() for part in value.partition("="))
    if not attribute or (field not in MAPPABLE and not _LABEL_FIELD.fullmatch(field)):
        raise ValueError(
            f"write FIELD=ATTRIBUTE, where FIELD is one of {', '.join(MAPPABLE)}, labels.NAME"
        )
    return field + equals + attribute


def _id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError("write an id: up to 64 letters, digits, _ and -")
    return value


def _http_host(value: str) -> str:
    """The host of an http or https URL to which a path can be appended; empty for other texts."""
    match = _HTTP_URL.fullmatch(value)
    return match[1] if match and int(match[2] or 1) <= 65535 else ""


def _api_url(value: str) -> str:
    host = _http_host(value)
    if not host or not (value.startswith("https") or is_loopback(host)):
        raise ValueError(
            "write an https:// URL without a query; http:// is for loopback only, because the API "
            "key is sent to this URL"
        )
    return value.rstrip("/")


def _base_url(value: str) -> str:
    if value and not _http_host(value):
        raise ValueError("write a URL without a query, such as https://ops.example.com")
    return value.rstrip("/")


def _text(pattern: str) -> dict[str, Any]:
    """The JSON Schema of a text, for editors. The validators are stricter."""
    return {"type": "string", "pattern": f"^({pattern})$"}


def _number(kind: str, pattern: str, **limits: float) -> WithJsonSchema:
    """The JSON Schema of a number with limits, or of a text with a unit."""
    return WithJsonSchema({"anyOf": [{"type": kind, **limits}, _text(pattern)]})


def _duration(**limits: float) -> WithJsonSchema:
    return _number("number", _DURATION.pattern, **limits)


_SIZE_TEXT: Final = r"\d{1,18}\s*([KkMmGg][Ii][Bb]|[Bb]?)"
_PATH: Final = _text(r"[^\x00-\x1f\x7f]+")
_LOOPBACK_URL: Final = rf"http://({_LOOPBACK.pattern})(:\d+)?(/[^?#@]*)?"

Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(gt=0, le=_LONGEST),
    _duration(exclusiveMinimum=0, maximum=_LONGEST),
]
SecondsOrZero = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(ge=0, le=_LONGEST),
    _duration(minimum=0, maximum=_LONGEST),
]
PollInterval = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(ge=30, le=600),
    _duration(minimum=30, maximum=600),
]
Size = Annotated[
    int, BeforeValidator(_bytes), Field(ge=1), _number("integer", _SIZE_TEXT, minimum=1)
]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Listener = Annotated[
    str, AfterValidator(_clean), AfterValidator(_listener), WithJsonSchema(_text(_LISTENER.pattern))
]
AnonymousListeners = Annotated[
    Literal["none", "ingest", "ops", "both"],
    BeforeValidator(_anonymous),
    WithJsonSchema({"enum": ["none", "ingest", "ops", "both", True, False]}),
]
LedgerUrl = Annotated[
    str, AfterValidator(_clean), AfterValidator(check_url), WithJsonSchema(_text(URL_PATTERN))
]
LedgerWait = Annotated[str, AfterValidator(check_wait), WithJsonSchema(_text(WAIT_PATTERN))]
ApiUrl = Annotated[
    str,
    AfterValidator(_clean),
    AfterValidator(_api_url),
    WithJsonSchema(_text(rf"https://[^/?#@][^?#@]*|{_LOOPBACK_URL}")),
]
BaseUrl = Annotated[
    str,
    AfterValidator(_clean),
    AfterValidator(_base_url),
    WithJsonSchema(_text(f"({_HTTP_URL.pattern})?")),
]
Id = Annotated[str, AfterValidator(_id), WithJsonSchema(_text(_ID.pattern))]
Texts = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    Field(min_length=1),
    BeforeValidator(split),
]
Ids = Annotated[
    tuple[Id, ...],
    Field(max_length=50, json_schema_extra={"uniqueItems": True}),
    BeforeValidator(split),
    AfterValidator(_distinct),
]
AttributeName = Annotated[
    str,
    AfterValidator(_attribute),
    WithJsonSchema(_text(rf"\s*({'|'.join(MAPPABLE)}|{_LABEL_FIELD.pattern})\s*=.*\S.*")),
]
AttributeNames = Annotated[tuple[AttributeName, ...], BeforeValidator(split)]
LabelName = Annotated[
    str,
    AfterValidator(_label),
    WithJsonSchema({**_text(_LABEL.pattern), "not": {"enum": sorted(RESERVED_LABELS)}}),
]
LabelNames = Annotated[
    tuple[LabelName, ...],
    BeforeValidator(split),
    AfterValidator(_distinct),
    Field(json_schema_extra={"uniqueItems": True}),
]
Network = Annotated[
    str, AfterValidator(_network), WithJsonSchema(_text(r"[0-9A-Fa-f.:]+(/[0-9.]+)?"))
]
Networks = Annotated[tuple[Network, ...], BeforeValidator(split)]
HostName = Annotated[str, AfterValidator(_host_name), WithJsonSchema(_text(_HOST_NAME.pattern))]
HostNames = Annotated[tuple[HostName, ...], BeforeValidator(split)]
Directory = Annotated[Path, BeforeValidator(_path), WithJsonSchema(_PATH)]
File = Annotated[Path | None, BeforeValidator(_path), WithJsonSchema(_PATH)]
Paths = Annotated[
    tuple[Path, ...],
    BeforeValidator(_path),
    BeforeValidator(split),
    WithJsonSchema({"type": "array", "items": _PATH}),
]
