"""The errors that several parts of the exporter use.

    ExporterError
    ├── ConfigError              a setting or a file of the operator is wrong; commands exit with 1
    │   └── UnsupportedRule      a rule file has PromQL that backtest does not support
    ├── LedgerError              the ledger can't start or continue
    │   └── LedgerBroken         an I/O error: only a restart tells what was written
    ├── Rejected                 one event is not counted; `reason` is a metric label
    └── Refused                  a request is not counted; a subclass for each `status` and `reason`

Errors of one package are defined there, such as `exporter.ledger.store.Damaged`. Every `Refused` and
`Rejected` is counted; `REFUSED_REASONS` and `REJECTED_REASONS` are all values of the `reason` labels.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from exporter.streams import printable

REJECTED_REASONS: Final = (
    "invalid_json",
    "not_an_object",
    "duplicate_key",
    "too_deep",
    "missing_system",
    "unknown_system",
    "foreign_system",
    "invalid_field",
    "unknown_field",
    "invalid_label",
    "invalid_cloudevent",
    "clock_skew",
    "conflict",
)
IGNORED_REASONS: Final = ("no_event_name", "other_event")
"""Why a log record is no session end."""


def quoted(text: str, longest: int = 80) -> str:
    """A sender's text for an error message: cut, printable, in quotes."""
    return f"'{printable(text if len(text) <= longest else text[:longest] + '…')}'"


class ExporterError(Exception):
    """The root of these errors."""


class ConfigError(ExporterError):
    """Mistakes of the operator, a line each: place, value, and what is allowed. Each is shown once."""

    def __init__(self, *mistakes: str) -> None:
        self.mistakes = tuple(dict.fromkeys(mistakes))
        super().__init__("\n".join(self.mistakes))


class UnsupportedRule(ConfigError):
    """Rules that can't be evaluated, a line each: file, group, rule, and function or operator."""


class LedgerError(ExporterError):
    """The ledger can't be opened or can't continue; the text is for the operator."""


class LedgerBroken(LedgerError):
    """The store failed in a way that only a restart from the disk can resolve."""


class Rejected(ExporterError):
    """One event breaks a rule; `reason` is one of `REJECTED_REASONS`, `message` names field and rule."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Refused(ExporterError):
    """A request of which no event was counted. `headers`, with lower-case names, are added to the answer.

    `body` is a Content-Type and a body that replace the problem document, for a protocol with its own errors.
    Such a protocol may also need another `status`.
    """

    status: int
    reason: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: tuple[bytes, bytes] | None = None


class Unparseable(Refused):
    status, reason, title = 400, "unparseable", "The body can't be parsed"


class TlsHandshake(Refused):
    """A connection rather than a request. The peer gets no HTTP answer, so the status is never sent."""

    status, reason, title = 400, "tls_handshake", "The TLS handshake failed"


class Unauthorized(Refused):
    status, reason, title = 401, "unauthorized", "No valid token"


class OriginNotAllowed(Refused):
    status, reason, title = 403, "origin_not_allowed", "Origin not allowed"


class NotFound(Refused):
    status, reason, title = 404, "not_found", "No such path"


class UnknownKey(Refused):
    status, reason, title = 404, "unknown_key", "No such key"


class MethodNotAllowed(Refused):
    status, reason, title = 405, "method_not_allowed", "Method not allowed"

    def __init__(self, detail: str, *, allow: tuple[str, ...] = ("POST",)) -> None:
        super().__init__(detail)
        self.headers = [(b"allow", ", ".join(allow).encode())]


class RequestTimeout(Refused):
    status, reason, title = 408, "timeout", "The request took too long to arrive"


class BodyTooLarge(Refused):
    status, reason, title = 413, "body_too_large", "The body is too large"


class TooManyEvents(Refused):
    status, reason, title = 413, "too_many_events", "Too many events in one request"


class WrongMediaType(Refused):
    status, reason, title = 415, "media_type", "Unsupported media type"


class WrongEncoding(Refused):
    status, reason, title = 415, "content_encoding", "Unsupported content encoding"


class HostNotAllowed(Refused):
    status, reason, title = 421, "host_not_allowed", "Host not allowed"


class NothingValid(Refused):
    """`rejected` has a dataclass with index, reason and message for each event."""

    status, reason, title = 422, "nothing_valid", "No valid event in the request"

    def __init__(self, detail: str, rejected: Sequence[Any]) -> None:
        super().__init__(detail)
        self.rejected = rejected


class TooManyRequests(Refused):
    status, reason, title = 429, "throttled", "Too many requests"


class RateLimited(Refused):
    status, reason, title = 429, "rate_limited", "Rate limit exceeded"


class HeadersTooLarge(Refused):
    status, reason, title = 431, "headers_too_large", "The request's headers are too large"


class Internal(Refused):
    status, reason, title = 500, "internal", "A defect of the exporter"


class QueueFull(Refused):
    status, reason, title = 503, "queue_full", "The ledger's queue is full"


class LedgerUnavailable(Refused):
    status, reason, title = 503, "ledger_unavailable", "The ledger can't take events now"


class TooManyConnections(Refused):
    status, reason, title = 503, "too_many_connections", "Too many open connections"


class ShuttingDown(Refused):
    status, reason, title = 503, "shutting_down", "The exporter is shutting down"


REFUSALS: Final = tuple(Refused.__subclasses__())
REFUSED_REASONS: Final = tuple(refusal.reason for refusal in REFUSALS)
