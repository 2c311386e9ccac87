"""The flags of `backtest`."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from exporter.errors import ConfigError
from exporter.send.options import Format
from exporter.taxonomy.model import Taxonomy


@dataclass(frozen=True, slots=True)
class Options:
    """The flags as given; None if a flag was not given. `columns` are values of `--column`."""

    taxonomy: tuple[Path, ...] = ()
    rules: Path | None = None
    system: str | None = None
    format: Format | None = None
    columns: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    json: bool = False

    def period(self) -> tuple[float | None, float | None]:
        """`since` and `until` in Unix seconds. Raises `ConfigError`."""
        since, until = _time("--since", self.since), _time("--until", self.until)
        if since is not None and until is not None and since >= until:
            raise ConfigError(f"--since {self.since} is not before --until {self.until}")
        return since, until

    def check(self, taxonomy: Taxonomy) -> None:
        """Raises `ConfigError` for a system that the taxonomy does not have."""
        if self.system is not None and self.system not in taxonomy.systems:
            raise ConfigError(
                f"--system = {self.system!r}: must be one of {', '.join(taxonomy.systems)}; "
                "load another system with --taxonomy"
            )


def _time(flag: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        # A date first: datetime.fromisoformat accepts it too, but in the machine's time zone.
        return datetime.combine(date.fromisoformat(text), time(), UTC).timestamp()
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ConfigError(
            f"{flag} = {text!r}: must be a date such as 2026-01-05, or RFC 3339 such as "
            "2026-01-05T08:00:00Z"
        )
    return at.timestamp()
