"""What an operator may choose."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from exporter.settings import values

_MAX_CONNECTIONS: Final = 400
"""A TLS connection takes 20 kB while idle and up to 540 kB after a large body: 400 and the 64 of the ops
listener take 245 of the 512 MiB that the deployments allow, a ledger of a million ids 132 MiB, bodies
being read 64 MiB (`max_queue_bytes`)."""


class Settings(BaseModel):
    """All settings. Durations are in seconds, sizes in bytes.

    `exporter.settings.load` reads them, and refuses combinations that `conflicts` finds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ingest: values.Listener = Field(
        "127.0.0.1:10400", description="address where senders post events"
    )
    ops: values.Listener = Field(
        "127.0.0.1:10401", description="address of metrics, health and pages"
    )
    data_dir: Path = Field(Path("data"), description="directory of the ledger")
    ledger: values.LedgerUrl | None = Field(
        None,
        description="Redis or Valkey for the ledger, which replicas share: redis://HOST",
    )
    ledger_password_file: Path | None = Field(
        None, description="file with the password of Redis, one line"
    )
    ledger_shards: int = Field(
        16, ge=1, le=1024, description="number of shards in Redis; fixed once the ledger exists"
    )
    ledger_wait: values.LedgerWait | None = Field(
        None,
        description="where a count must be stored before its answer: aof (Redis' append-only file) or "
        "replicas:N",
    )
    ledger_timeout: values.Seconds = Field(1, description="timeout of a Redis request")
    taxonomy: values.Paths = Field(
        (), description="directories with YAML files of more systems and of changes to systems"
    )

    runbook_url: values.BaseUrl = Field(
        "",
        description="base URL of runbook links in notifications; if empty, the ops listener's",
    )
    dashboard_url: values.BaseUrl = Field(
        "",
        description="base URL of Grafana, for links in notifications and runbooks; no links if empty",
    )
    prometheus_url: values.BaseUrl = Field(
        "", description="base URL of Prometheus, for query links in runbooks; no links if empty"
    )

    ingest_token_file: Path | None = Field(
        None, description="file with bearer tokens for senders, one per line"
    )
    ops_token_file: Path | None = Field(
        None,
        description="file with tokens for the ops listener, one per line; browsers send one as the password",
    )
    allow_anonymous: values.AnonymousListeners = Field(
        "none",
        description="listeners that need no token file on an address other than loopback: none, ingest, "
        "ops or both",
    )
    allowed_hosts: values.HostNames = Field(
        (),
        description="host names that requests may use on a listener without a token file: "
        "exporter.example.com, or *.example.com for all names below it",
    )
    ingest_tls_cert: Path | None = Field(
        None, description="PEM file with the certificate chain of the ingest listener"
    )
    ingest_tls_key: Path | None = Field(
        None, description="PEM file with the private key of the ingest listener"
    )
    ops_tls_cert: Path | None = Field(
        None, description="PEM file with the certificate chain of the ops listener"
    )
    ops_tls_key: Path | None = Field(
        None, description="PEM file with the private key of the ops listener"
    )

    beacon_keys_file: Path | None = Field(
        None, description="YAML file with the public keys of sites whose browsers send events"
    )
    beacon_rate: values.Rate = Field(
        50,
        description="events per second from the browsers of one site; each started KiB counts as an event",
    )
    beacon_burst: values.Count = Field(500, description="events of one site at once")
    beacon_address_rate: values.Rate = Field(
        5, description="events per second from the browsers of one IP address, counted the same way"
    )
    beacon_address_burst: values.Count = Field(100, description="events of one IP address at once")
    trusted_proxies: values.Networks = Field(
        (), description="addresses or networks of proxies whose X-Forwarded-For is trusted"
    )

    streampixel_webhook_token_file: Path | None = Field(
        None,
        description="file with tokens of Streampixel's build webhook, one per line; the URL ends with one",
    )
    live_stats_projects: values.Ids = Field(
        (), max_length=50, description="ids of the Streampixel projects to poll for live users"
    )
    live_stats_user: values.Id | None = Field(
        None, description="id of the Streampixel account that owns the projects"
    )
    live_stats_key_file: Path | None = Field(
        None, description="file with Streampixel's API key, one line"
    )
    live_stats_interval: values.PollInterval = Field(
        30, description="time between two polls of a project, at least 30s"
    )
    live_stats_url: values.ApiUrl = Field(
        "https://api.streampixel.io/pixelStripeApi", description="URL of Streampixel's API"
    )

    labels: values.LabelNames = Field((), description="event labels that become metric labels")
    max_label_values: int = Field(
        50, ge=1, le=10_000, description="values per label; further values become `other`"
    )
    max_event_age: values.Seconds = Field(900, description="older events are counted as late")
    max_clock_skew: values.Seconds = Field(
        300, description="events further in the future are rejected"
    )
    first_seen_zero_for: values.SecondsOrZero = Field(
        75, description="time for which a new series is exported as 0 first"
    )
    dedup_window_age: values.Seconds = Field(86400, description="time for which ids are remembered")
    dedup_window_ids: int = Field(
        1_000_000,
        ge=1,
        le=100_000_000,
        description="number of ids that are remembered; in Redis its memory is the limit",
    )

    max_body: values.Size = Field(
        1024**2, description="size of a request body, compressed and uncompressed"
    )
    max_events: int = Field(1000, ge=1, le=50_000, description="events per request")
    max_depth: int = Field(32, ge=3, le=100, description="nesting depth of a JSON body")
    max_header: values.Size = Field(16 * 1024, description="size of request line and headers")
    receive_timeout: values.Seconds = Field(
        10, description="time to receive a request, and to send its answer"
    )
    max_queue_events: values.Count = Field(
        200_000, description="events that may wait for the ledger"
    )
    max_queue_bytes: values.Size = Field(
        64 * 1024**2, description="total size of bodies that are being read or wait"
    )
    max_connections: int = Field(
        _MAX_CONNECTIONS,
        ge=1,
        le=100_000,
        description="open connections of the ingest listener; each takes up to 0.6 MiB of memory",
    )
    shutdown_timeout: values.Seconds = Field(
        5, description="time for open requests to finish after SIGTERM"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="lowest level that is logged: debug, info, warning or error"
    )

    @property
    def runbooks(self) -> str:
        """The base URL of runbooks: `runbook_url`, or the URL of the ops listener."""
        return self.runbook_url or base_url(self.ops, self.ops_tls_cert is not None)


def base_url(listener: str, tls: bool) -> str:
    """The URL of a listener; `localhost` for a listener on all addresses."""
    host, _, port = listener.rpartition(":")
    shown = "localhost" if host in ("0.0.0.0", "[::]", "::") else host  # noqa: S104
    return f"{'https' if tls else 'http'}://{shown}:{port}"


class Conflict(NamedTuple):
    """Settings that do not go together: `text` is the instruction, the first of `settings` is shown."""

    settings: tuple[str, ...]
    text: str


def conflicts(settings: Settings) -> Iterator[Conflict]:
    """Every rule about several settings that `settings` break."""
    for name in ("ledger_password_file", "ledger_wait"):
        if settings.ledger is None and getattr(settings, name) is not None:
            yield Conflict((name, "ledger"), "needs ledger: set it to the URL of Redis or Valkey")
    for name in ("ingest", "ops"):
        involved = (name, f"{name}_token_file", "allow_anonymous")
        address, tokens, anonymous = (getattr(settings, setting) for setting in involved)
        if (
            not values.is_loopback(address.rpartition(":")[0])
            and tokens is None
            and anonymous not in (name, "both")
        ):
            yield Conflict(
                involved,
                f"leaves loopback without a token: set {name}_token_file, or allow_anonymous to "
                f"{name!r} or 'both'",
            )
        pair = (f"{name}_tls_cert", f"{name}_tls_key")
        given = [setting for setting in pair if getattr(settings, setting) is not None]
        if len(given) == 1:
            (missing,) = set(pair) - set(given)
            yield Conflict((*given, missing), f"set {missing} too")
    if settings.ops == settings.ingest and not settings.ops.endswith(":0"):
        yield Conflict(("ops", "ingest"), "ingest has the same address; choose another port")
    live = ("live_stats_projects", "live_stats_user", "live_stats_key_file")
    missing_live = [name for name in live if not getattr(settings, name)]
    if 0 < len(missing_live) < len(live):
        (first, *_) = (name for name in live if name not in missing_live)
        yield Conflict((first, *live), f"set {' and '.join(missing_live)} too")
