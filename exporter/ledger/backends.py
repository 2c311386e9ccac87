"""The choice of ledger: the only module that names the implementations, each imported when it is needed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter.errors import LedgerError
from exporter.ledger.contract import Cell, Ledger, Series
from exporter.ledger.queued import GROUP_EVENTS
from exporter.settings import Settings, ledger_address

if TYPE_CHECKING:
    from exporter.ledger.backup import Backup


async def open_backend(
    settings: Settings,
    zero: Sequence[Series],
    zero_durations: Sequence[Cell],
    *,
    on_commit: Callable[[float], None],
    on_failure: Callable[[], None],
    on_broken: Callable[[], None],
    on_labels: Callable[[tuple[str, ...]], None],
) -> Ledger:
    """Open the ledger that the settings select.

    The series of `zero` and `zero_durations` exist from the first scrape. `on_commit` gets the seconds of
    each commit, `on_labels` the label values of each series, also of series that another replica adds
    later. Raises `LedgerError`.
    """
    options: dict[str, Any] = {
        "queue_events": settings.max_queue_events,
        "on_commit": on_commit,
        "on_failure": on_failure,
        "on_broken": on_broken,
    }
    if settings.ledger is not None:
        from exporter.ledger.redis.connection import RedisSettings
        from exporter.ledger.redis.ledger import RedisLedger

        shared = RedisSettings(
            ledger_address.parse(settings.ledger),
            settings.labels,
            zero,
            zero_durations,
            shards=settings.ledger_shards,
            age=settings.dedup_window_age,
            first_seen_delay=settings.first_seen_zero_for,
            timeout=settings.ledger_timeout,
            wait=ledger_address.replicas(settings.ledger_wait) if settings.ledger_wait else None,
            password_file=settings.ledger_password_file,
            on_labels=on_labels,
        )
        return await RedisLedger.open(shared, **options)

    from exporter.ledger.recovery import LedgerSettings
    from exporter.ledger.sqlite import SqliteLedger

    local = LedgerSettings(
        settings.data_dir,
        settings.labels,
        zero,
        zero_durations,
        ids=settings.dedup_window_ids,
        age=settings.dedup_window_age,
        slack=GROUP_EVENTS + settings.max_events,
        first_seen_delay=settings.first_seen_zero_for,
    )
    ledger = await SqliteLedger.open(local, **options)
    for total in ledger.totals().series:
        on_labels(total.series.labels)
    return ledger


def back_up(settings: Settings, folder: Path) -> "Backup":
    """Copy the ledger that the settings select into a new file in `folder`. Raises `LedgerError`."""
    if settings.ledger is not None:
        raise LedgerError(
            f"the ledger is in {ledger_address.masked(settings.ledger)}, not in a file: back up Redis or "
            "Valkey itself, for example its append-only file"
        )
    from exporter.ledger import backup

    return backup.back_up(settings.data_dir, folder)
