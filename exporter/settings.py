"""All settings: one frozen object, from a TOML file, `SESSION_EXPORTER_*` variables and a few flags.

Nothing else in the package reads settings from the environment. Flags win over variables, variables over
the file.
"""

import difflib
import os
import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from exporter.errors import ConfigError
from exporter.ledger.backends import check_url, check_wait, masked_url
from exporter.names import RESERVED_LABELS

PREFIX: Final = "SESSION_EXPORTER_"
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES: Final = {"": 1, "b": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_LONGEST: Final = 10 * 366 * 86400
"""Seconds: with `max_event_age = "800000d"` every request was answered 500, for no date is that old."""
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST_NAME: Final = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_MAX_CONNECTIONS: Final = 400
"""Over TLS a connection takes 20 kB while it is idle, and up to 540 kB after a large body: these and 64 at
the ops listener 245 MiB of the 512 MiB that the deployments allow. The rest is for a ledger of a million
ids (132 MiB), bodies being read (`max_queue_bytes`, 64 MiB) and scrapes."""
_LOOPBACK: Final = re.compile(r"127\.\d+\.\d+\.\d+|localhost|\[?::1\]?")


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a host; IPv6 with or without brackets."""
    return _LOOPBACK.fullmatch(host) is not None


def _seconds(value: object) -> object:
    """`"15m"` and plain numbers of seconds alike."""
    if isinstance(value, str) and (
        found := re.fullmatch(r"([\d.]+)\s*(ms|s|m|h|d)", value.strip())
    ):
        return float(found[1]) * _UNITS[found[2]]
    return value


def _bytes(value: object) -> object:
    """`"1MiB"` and plain numbers of bytes alike."""
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+)\s*([a-zA-Z]*)", value.strip())):
        unit = found[2].lower()
        return int(found[1]) * _SIZES[unit] if unit in _SIZES else value
    return value


def _items(value: object) -> object:
    """A comma-separated variable is a list."""
    return (
        [item.strip() for item in value.split(",") if item.strip()]
        if isinstance(value, str)
        else value
    )


def _anonymous(value: object) -> object:
    """`true` and `false` stand for both listeners and none."""
    text = str(value).lower() if isinstance(value, str | bool) else value
    return {"true": "both", "false": "none"}.get(text, value) if isinstance(text, str) else value


def _label(name: str) -> str:
    if not _LABEL.fullmatch(name) or name.startswith("__"):
        raise ValueError(
            f"{name!r} is not a label name: letters, digits and _, not starting with __"
        )
    if name in RESERVED_LABELS:
        raise ValueError(f"{name!r} is one of the exporter's own labels")
    return name


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    for index, name in enumerate(names):
        if name in names[:index]:
            # Prometheus drops a whole scrape in which one series has a label twice.
            raise ValueError(
                f"{name!r} is listed twice, as items {names.index(name)} and {index}; remove one of them"
            )
    return names


def _listener(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{value!r} is not HOST:PORT, such as 127.0.0.1:10400")
    return value


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError:
        raise ValueError(
            f"{value!r} is not an address or a network, such as 10.0.0.0/8 or ::1"
        ) from None


def _host_name(value: str) -> str:
    if not _HOST_NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a host name without a port, such as exporter.example.com or *.example.com"
        )
    return value


def _id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError(f"{value!r} is not an id: up to 64 letters, digits, _ and -")
    return value


def _address(value: str) -> str:
    parts = urlsplit(value)
    host = parts.hostname or ""
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not safe or not host or parts.port == 0 or set("?#@") & set(value):
        raise ValueError(
            f"{value!r} is not an https:// URL without a query; the key is sent to it, so http:// is "
            "for loopback only"
        )
    return value.rstrip("/")


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if value and (
        parts.scheme not in ("http", "https") or not parts.hostname or set("?#@") & set(value)
    ):
        raise ValueError(f"{value!r} is not a URL such as https://ops.example.com, without a query")
    return value.rstrip("/")


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=_LONGEST, allow_inf_nan=False)]
Size = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
Listener = Annotated[str, AfterValidator(_listener)]
LedgerUrl = Annotated[str, AfterValidator(check_url)]
LedgerWait = Annotated[str, AfterValidator(check_wait)]
LabelName = Annotated[str, AfterValidator(_label)]
Names = Annotated[
    tuple[LabelName, ...], BeforeValidator(_items), AfterValidator(_distinct), NoDecode
]
Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_items), NoDecode
]
HostNames = Annotated[
    tuple[Annotated[str, AfterValidator(_host_name)], ...], BeforeValidator(_items), NoDecode
]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Id = Annotated[str, AfterValidator(_id)]
Ids = Annotated[tuple[Id, ...], BeforeValidator(_items), NoDecode]
Address = Annotated[str, AfterValidator(_address)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_items), NoDecode]


class Settings(BaseSettings):
    """What an operator may choose. Durations are seconds or "15m", sizes bytes or "1MiB"."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    ingest: Listener = Field("127.0.0.1:10400", description="where senders post events")
    ops: Listener = Field("127.0.0.1:10401", description="where Prometheus and people look")
    data_dir: Path = Field(Path("data"), description="where the ledger is kept")
    ledger: LedgerUrl | None = Field(
        None,
        description="Redis or Valkey to keep it in instead, which replicas share: redis://HOST",
    )
    ledger_password_file: Path | None = Field(None, description="its password, one line")
    ledger_shards: int = Field(
        16, gt=0, le=1024, description="parts it is spread over; of a ledger that exists, for good"
    )
    ledger_wait: LedgerWait | None = Field(
        None, description="what has to have a count before its answer: aof, replicas:1, …"
    )
    ledger_timeout: Seconds = Field(1, description="time for Redis to answer")
    taxonomy: Paths = Field(
        (), description="folders with YAML files of further systems and of changes to systems"
    )

    runbook_url: BaseUrl = Field(
        "",
        description="base URL of runbooks in notifications; the ops listener's where it is empty",
    )
    dashboard_url: BaseUrl = Field(
        "",
        description="base URL of Grafana in notifications and at a runbook's queries; no links "
        "where it is empty",
    )
    prometheus_url: BaseUrl = Field(
        "", description="base URL of Prometheus at a runbook's queries; no links where it is empty"
    )

    ingest_token_file: Path | None = Field(None, description="bearer tokens of senders, one a line")
    ops_token_file: Path | None = Field(
        None,
        description="tokens of the ops listener, one a line: a bearer token, or the password for a browser",
    )
    allow_anonymous: Annotated[
        Literal["none", "ingest", "ops", "both"], BeforeValidator(_anonymous)
    ] = Field(
        "none",
        description="listeners that may leave loopback without a token file; true is both",
    )
    allowed_hosts: HostNames = Field(
        (),
        description="names that requests to a listener without a token file may have in Host: "
        "exporter.example.com, or *.example.com for all below it",
    )
    ingest_tls_cert: Path | None = Field(
        None, description="certificate chain of the ingest listener, PEM"
    )
    ingest_tls_key: Path | None = Field(None, description="its private key, PEM")
    ops_tls_cert: Path | None = Field(
        None, description="certificate chain of the ops listener, PEM"
    )
    ops_tls_key: Path | None = Field(None, description="its private key, PEM")

    beacon_keys_file: Path | None = Field(
        None, description="public keys of sites whose browsers send events, YAML"
    )
    beacon_rate: Rate = Field(
        50,
        description="events a second that a site's browsers may send; a started KiB counts as one",
    )
    beacon_burst: int = Field(500, gt=0, description="of them at once")
    beacon_address_rate: Rate = Field(
        5, description="events a second from the browsers of one address, counted likewise"
    )
    beacon_address_burst: int = Field(100, gt=0, description="of them at once")
    trusted_proxies: Networks = Field(
        (), description="proxies whose X-Forwarded-For the ingest listener believes"
    )

    streampixel_webhook_token_file: Path | None = Field(
        None, description="tokens of Streampixel's build webhook, the end of its URL, one a line"
    )
    live_stats_projects: Ids = Field(
        (),
        max_length=50,
        description="ids of the Streampixel projects whose users are counted live",
    )
    live_stats_user: Id | None = Field(None, description="id of the account that owns the projects")
    live_stats_key_file: Path | None = Field(None, description="Streampixel's API key, one line")
    live_stats_interval: Annotated[
        float, BeforeValidator(_seconds), Field(ge=30, allow_inf_nan=False)
    ] = Field(30, description="time between two questions about a project, at least 30s")
    live_stats_url: Address = Field(
        "https://api.streampixel.io/pixelStripeApi", description="where Streampixel's API is"
    )

    labels: Names = Field((), description="event labels that become metric labels")
    max_label_values: int = Field(
        50, gt=0, le=10_000, description="values a label may take; then `other`"
    )
    max_event_age: Seconds = Field(900, description="older events count as late")
    max_clock_skew: Seconds = Field(300, description="events further in the future are rejected")
    first_seen_zero_for: Annotated[
        float, BeforeValidator(_seconds), Field(ge=0, le=_LONGEST, allow_inf_nan=False)
    ] = Field(75, description="how long a series that is new at run time is shown as 0")
    dedup_window_age: Seconds = Field(86400, description="how long an id is remembered")
    dedup_window_ids: int = Field(
        1_000_000,
        gt=0,
        le=100_000_000,
        description="how many ids are remembered; in Redis its memory decides",
    )

    max_body: Size = Field(1024**2, description="bytes of a body, compressed or not")
    max_events: int = Field(1000, gt=0, le=50_000, description="events in one request")
    max_depth: int = Field(32, gt=2, le=100, description="nesting of a JSON body")
    max_header: Size = Field(16 * 1024, description="bytes of a request's line and headers")
    receive_timeout: Seconds = Field(
        10, description="time for a request to arrive, and for an answer to leave"
    )
    max_queue_events: int = Field(200_000, gt=0, description="events waiting for the ledger")
    max_queue_bytes: Size = Field(64 * 1024**2, description="bytes of bodies being read or waiting")
    max_connections: int = Field(
        _MAX_CONNECTIONS,
        gt=0,
        le=100_000,
        description="open connections of the ingest listener; each takes up to 0.6 MiB of memory",
    )
    shutdown_timeout: Seconds = Field(
        5, description="time for requests in flight to end at SIGTERM"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="what is logged"
    )

    @property
    def runbooks(self) -> str:
        """The base URL of runbooks: `runbook_url`, or where this exporter's ops listener is."""
        return self.runbook_url or base_url(self.ops, self.ops_tls_cert is not None)

    @model_validator(mode="after")
    def _guarded(self) -> "Settings":
        for name in ("ledger_password_file", "ledger_wait"):
            if self.ledger is None and getattr(self, name) is not None:
                raise ValueError(f"{name} needs ledger, the URL of a shared one")
        for name in ("ingest", "ops"):
            host = getattr(self, name).rpartition(":")[0]
            if (
                not is_loopback(host)
                and getattr(self, f"{name}_token_file") is None
                and self.allow_anonymous not in (name, "both")
            ):
                raise ValueError(
                    f"{name} = {getattr(self, name)!r} leaves loopback without a token: set "
                    f"{name}_token_file, or allow_anonymous to {name!r} or 'both'"
                )
            if (getattr(self, f"{name}_tls_cert") is None) != (
                getattr(self, f"{name}_tls_key") is None
            ):
                raise ValueError(
                    f"{name}_tls_cert and {name}_tls_key: one is set without the other"
                )
        live = ("live_stats_projects", "live_stats_user", "live_stats_key_file")
        missing = [name for name in live if not getattr(self, name)]
        if 0 < len(missing) < len(live):
            raise ValueError(f"live stats need {', '.join(live)}; not set: {', '.join(missing)}")
        return self


_PATHS: Final = {
    name
    for name, field in Settings.model_fields.items()
    if Path in (field.annotation, *get_args(field.annotation))
}


def base_url(listener: str, tls: bool) -> str:
    """The URL of a listener; `localhost` where it takes every address."""
    host, _, port = listener.rpartition(":")
    shown = "localhost" if host in ("0.0.0.0", "[::]", "::") else host  # noqa: S104
    return f"{'https' if tls else 'http'}://{shown}:{port}"


def load(config: Path | None = None, **flags: Any) -> Settings:
    """Settings from the flags that are not None, the environment and `config` (TOML).

    Without `config`, `SESSION_EXPORTER_CONFIG` may name the file. Raises `ConfigError` with a line
    for each mistake: key, value and what is allowed. Paths in the file are relative to its folder.
    """
    variables = _environment()
    strange = [_strange(key) for key in sorted(variables.keys() - Settings.model_fields.keys())]
    named = os.environ.get(variables["config"]) if "config" in variables else None
    if config is None and named:
        config = Path(named)
    table = _read(config) if config is not None else {}
    given = {key: value for key, value in flags.items() if value is not None}
    unset = {key: value for key, value in table.items() if key not in variables}
    try:
        settings = Settings(**{**unset, **given})
    except ValidationError as error:
        places = {key: f"{config}: {key}" for key in unset} | {key: key for key in given}
        places = {key: name for key, name in variables.items() if key not in given} | places
        mistakes = [_mistake(item, places) for item in error.errors()]
        raise ConfigError(*(text for text in strange if text), *mistakes) from None
    if any(strange):
        raise ConfigError(*(text for text in strange if text))
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    for key in _PATHS & table.keys():
        value = _items(table[key]) if key == "taxonomy" else table[key]
        table[key] = _beside(path, value)
    return table


def _beside(file: Path, value: Any) -> Any:
    """A path, or a list of paths, of a settings file: relative to its folder."""
    if isinstance(value, list):
        return [_beside(file, item) for item in value]
    return str(file.parent / value) if isinstance(value, str) else value


def _environment() -> dict[str, str]:
    """The exporter's variables that are set: what follows the prefix, in lower case, to its name."""
    return {key[len(PREFIX) :].lower(): key for key in os.environ if key.upper().startswith(PREFIX)}


def _strange(key: str) -> str:
    """A variable that is no setting, by name only: its value may be a token put in a wrong place."""
    return "" if key == "config" else f"{PREFIX}{key.upper()}: no such setting; {_near(key)}"


def _near(key: str) -> str:
    near = difflib.get_close_matches(key, Settings.model_fields, n=3, cutoff=0.5)
    return (
        f"near it: {', '.join(near)}" if near else f"there are {', '.join(Settings.model_fields)}"
    )


def _mistake(item: Any, places: dict[str, str]) -> str:
    top, *rest = [str(part) for part in item["loc"]] or [""]
    place = ".".join([places.get(top, top), *rest])
    if item["type"] == "extra_forbidden":
        return f"{place}: no such setting; {_near(top)}"
    text = item["msg"].removeprefix("Value error, ")
    # A URL is the one setting that people put a password into.
    shown = (
        masked_url(item["input"])
        if top == "ledger" and isinstance(item["input"], str)
        else item["input"]
    )
    return f"{place} = {shown!r}: {text}" if top else text
