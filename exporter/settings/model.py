"""The settings, and the rules about several settings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from exporter.event_fields import attribute_key
from exporter.settings.values import (
    ApiUrl,
    AttributeNames,
    BaseUrl,
    Count,
    Directory,
    File,
    HostNames,
    Id,
    Ids,
    LabelNames,
    LedgerUrl,
    LedgerWait,
    Listener,
    Networks,
    Paths,
    PollInterval,
    Rate,
    Seconds,
    SecondsOrZero,
    Size,
    Texts,
    is_loopback,
)

_EVERY_ADDRESS: Final = frozenset(("0.0.0.0", "[::]", "::"))  # noqa: S104


def _setting(default: object, description: str, **limits: int) -> Any:
    return Field(default, description=description, **limits)  # type: ignore[call-overload]


class Settings(BaseModel):
    """All settings. Durations are in seconds, sizes in bytes. Combinations may be wrong: see `conflicts`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    ingest: Listener = _setting("127.0.0.1:10400", "address where senders post events")
    ops: Listener = _setting("127.0.0.1:10401", "address of metrics, health and pages")
    data_dir: Directory = _setting(Path("data"), "directory of the ledger")
    ledger: LedgerUrl | None = _setting(
        None, "URL of Redis or Valkey for a ledger that replicas share: redis://HOST"
    )
    ledger_password_file: File = _setting(None, "file with the password of Redis, one line")
    ledger_shards: int = _setting(
        16, "number of shards in Redis; fixed once the ledger exists", ge=1, le=1024
    )
    ledger_wait: LedgerWait | None = _setting(
        None,
        "storage that must confirm a count before its answer: aof (append-only file) or replicas:N",
    )
    ledger_timeout: Seconds = _setting(1, "timeout of a Redis request")
    taxonomy: Paths = _setting((), "directories with YAML files of more systems and of overlays")

    runbook_url: BaseUrl = _setting(
        "", "base URL of runbook links in notifications; if empty, the ops listener's"
    )
    dashboard_url: BaseUrl = _setting(
        "", "base URL of Grafana, for links in notifications and runbooks; no links if empty"
    )
    prometheus_url: BaseUrl = _setting(
        "", "base URL of Prometheus, for query links in runbooks; no links if empty"
    )

    ingest_token_file: File = _setting(None, "file with bearer tokens of senders, one per line")
    ops_token_file: File = _setting(
        None,
        "file with tokens of the ops listener, one per line; in a browser, a token is the password",
    )
    allow_anonymous: Literal["none", "ingest", "ops", "both"] = _setting(
        "none",
        "listeners that may be reachable from other machines without tokens: none, ingest, ops or both",
    )
    allowed_hosts: HostNames = _setting(
        (),
        "host names that requests to a listener without tokens may use: exporter.example.com, or "
        "*.example.com for all names below it",
    )
    ingest_tls_cert: File = _setting(None, "certificate chain of the ingest listener, PEM")
    ingest_tls_key: File = _setting(None, "private key of the ingest listener, PEM")
    ops_tls_cert: File = _setting(None, "certificate chain of the ops listener, PEM")
    ops_tls_key: File = _setting(None, "private key of the ops listener, PEM")

    beacon_keys_file: File = _setting(
        None, "file with the public keys of sites whose browsers send events, YAML"
    )
    beacon_rate: Rate = _setting(
        50,
        "events per second from the browsers of a site; every KiB, or part of one, counts as an event",
    )
    beacon_burst: Count = _setting(500, "events that a site may send at once")
    beacon_address_rate: Rate = _setting(
        5, "events per second from the browsers of an IP address, counted like beacon_rate"
    )
    beacon_address_burst: Count = _setting(100, "events that an IP address may send at once")
    trusted_proxies: Networks = _setting(
        (), "addresses or networks of proxies whose X-Forwarded-For is trusted"
    )

    streampixel_webhook_token_file: File = _setting(
        None,
        "file with tokens of Streampixel's build webhook, one per line; the webhook's URL ends with a token",
    )
    live_stats_projects: Ids = _setting(
        (), "ids of the Streampixel projects to poll for live users"
    )
    live_stats_user: Id | None = _setting(None, "id of the account that owns the projects")
    live_stats_key_file: File = _setting(None, "file with Streampixel's API key, one line")
    live_stats_interval: PollInterval = _setting(30, "time between two polls, 30s to 10m")
    live_stats_url: ApiUrl = _setting(
        "https://api.streampixel.io/pixelStripeApi", "URL of Streampixel's API"
    )

    otlp_events: Texts = _setting(
        ("session.end",), "event names of log records that are session ends"
    )
    otlp_attributes: AttributeNames = _setting(
        (),
        "attributes of log records that are fields, FIELD=ATTRIBUTE, such as code=app.status or "
        "labels.region=cloud.region; they replace the field's defaults",
    )
    labels: LabelNames = _setting(
        (),
        "event labels that become metric labels; names that the exporter, Prometheus or the alert rules "
        "use, such as code, job or cluster, are refused",
    )
    max_label_values: int = _setting(
        50, "values per label; further values become `other`", ge=1, le=10_000
    )
    max_event_age: Seconds = _setting(900, "older events are counted as late")
    max_clock_skew: Seconds = _setting(300, "events further in the future are rejected")
    first_seen_zero_for: SecondsOrZero = _setting(
        75, "time for which a new series is exported as 0"
    )
    dedup_window_age: Seconds = _setting(86400, "time for which ids are remembered")
    dedup_window_ids: int = _setting(
        1_000_000,
        "ids that are remembered; not used in Redis, whose memory is the limit",
        ge=1,
        le=100_000_000,
    )

    max_body: Size = _setting(1024**2, "size of a request body, compressed and uncompressed")
    max_events: int = _setting(1000, "events per request", ge=1, le=50_000)
    max_depth: int = _setting(32, "nesting depth of a JSON body", ge=3, le=100)
    strict_fields: bool = _setting(
        False, "reject events with unknown fields, except those of browsers"
    )
    max_header: Size = _setting(16 * 1024, "size of request line and headers")
    receive_timeout: Seconds = _setting(10, "time to receive a request, and to send its answer")
    max_queue_events: Count = _setting(200_000, "events that may wait for the ledger")
    max_queue_bytes: Size = _setting(64 * 1024**2, "size of all bodies being read or waiting")
    # A TLS connection takes 20 kB while idle and up to 540 kB after a large body. 400 of them and the 64 of
    # the ops listener take 245 of the 512 MiB that the deployments allow, a ledger of a million ids 132.
    max_connections: int = _setting(
        400, "open connections of the ingest listener; each takes up to 0.6 MiB", ge=1, le=100_000
    )
    shutdown_timeout: Seconds = _setting(5, "time for open requests to finish after SIGTERM")
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "lowest level that is logged: debug, info, warning or error"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag(cls, value: object, info: ValidationInfo) -> object:
        """Pydantic would take `true` for the number 1."""
        number = cls.model_fields[str(info.field_name)].annotation in (int, float)
        if number and isinstance(value, bool):
            raise ValueError("write a number")
        return value

    def url(self, listener: Literal["ingest", "ops"]) -> str:
        """The URL of a listener; `localhost` for a listener on all addresses."""
        host, _, port = getattr(self, listener).rpartition(":")
        scheme = "https" if getattr(self, f"{listener}_tls_cert") else "http"
        shown = "localhost" if host in _EVERY_ADDRESS else host
        return f"{scheme}://{shown}:{port}"

    @property
    def runbooks(self) -> str:
        """The base URL of runbooks: `runbook_url`, or the URL of the ops listener."""
        return self.runbook_url or self.url("ops")


def conflicts(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    """For each broken rule: the settings involved, of which the message shows the first, and what to do."""
    for name in ("ledger_password_file", "ledger_wait"):
        if settings.ledger is None and getattr(settings, name) is not None:
            yield (name, "ledger"), "needs ledger: set it to the URL of Redis or Valkey"
    for name in ("ingest", "ops"):
        involved = (name, f"{name}_token_file", "allow_anonymous")
        address, tokens, anonymous = (getattr(settings, setting) for setting in involved)
        if (
            not is_loopback(address.rpartition(":")[0])
            and tokens is None
            and anonymous not in (name, "both")
        ):
            rule = f"set {name}_token_file, or allow_anonymous to {name!r} or 'both'"
            yield involved, f"is not loopback and needs a token: {rule}"
        pair = (f"{name}_tls_cert", f"{name}_tls_key")
        given = [setting for setting in pair if getattr(settings, setting) is not None]
        if len(given) == 1:
            (missing,) = set(pair) - set(given)
            yield (*given, missing), f"set {missing} too"
    (ops, port), (ingest, other) = (
        address.rsplit(":", 1) for address in (settings.ops, settings.ingest)
    )
    hosts = {ops, ingest}
    overlap = len(hosts) == 1 or hosts & _EVERY_ADDRESS or hosts == {"localhost", "127.0.0.1"}
    if overlap and port == other != "0":
        yield ("ops", "ingest"), "ingest has the same port; choose another port"
    fields: dict[str, str] = {}
    for mapped in settings.otlp_attributes:
        field, _, attribute = mapped.partition("=")
        prefix, _, label = field.partition(".")
        if prefix == "labels" and label not in settings.labels:
            yield ("otlp_attributes", "labels"), f"add {label!r} to labels"
        other = fields.setdefault(attribute_key(attribute), field)
        if other != field:
            yield (
                ("otlp_attributes",),
                f"{attribute!r} is for {other} and {field}; write one of them",
            )
    live = ("live_stats_projects", "live_stats_user", "live_stats_key_file")
    missing_live = [name for name in live if not getattr(settings, name)]
    if 0 < len(missing_live) < len(live):
        (first, *_) = (name for name in live if name not in missing_live)
        yield (first, *live), f"set {' and '.join(missing_live)} too"
