"""Points in time in the options and the output of commands: RFC 3339 in UTC."""

from contextlib import suppress
from datetime import UTC, date, datetime, time

from exporter.errors import ConfigError


def rfc3339(at: float) -> str:
    """Unix seconds as text, without fractions."""
    return f"{datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def option_seconds(flag: str, text: str) -> float:
    """The Unix seconds of an option; a date means midnight UTC. Raises `ConfigError` with the flag."""
    # A date first: datetime.fromisoformat accepts it too, but in the machine's time zone.
    with suppress(ValueError):
        return datetime.combine(date.fromisoformat(text), time.min, UTC).timestamp()
    with suppress(ValueError):
        if (at := datetime.fromisoformat(text)).tzinfo is not None:
            return at.timestamp()
    raise ConfigError(
        f"{flag} = {text!r}: must be a date such as 2026-01-05, or RFC 3339 such as "
        "2026-01-05T08:00:00Z"
    )
