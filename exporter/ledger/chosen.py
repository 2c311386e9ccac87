"""The ledger that the settings name: a file in `data_dir`, or a store that replicas share."""

from collections.abc import Callable, Sequence

from exporter.ledger.contract import Ledger, Series
from exporter.ledger.recovery import Plan
from exporter.ledger.sqlite import GROUP_EVENTS, SqliteLedger
from exporter.metrics.own import OwnMetrics
from exporter.settings import Settings


async def open_chosen(
    settings: Settings,
    zero: Sequence[Series],
    zero_durations: Sequence[tuple[str, str]],
    own: OwnMetrics,
    on_broken: Callable[[], None],
    on_labels: Callable[[tuple[str, ...]], None],
) -> Ledger:
    """Open it; `zero` and `zero_durations` are there from the first scrape. `on_labels` gets the label
    values of every series that it has, or that another replica brings. Raises `LedgerError`."""
    options = {
        "queue_events": settings.max_queue_events,
        "queue_bytes": settings.max_queue_bytes,
        "on_commit": own.commit_seconds.observe,
        "on_failure": own.commit_failures.inc,
        "on_broken": on_broken,
    }
    if settings.ledger is not None:
        return await _shared(settings, settings.ledger, zero, zero_durations, on_labels, options)
    plan = Plan(
        settings.data_dir,
        settings.labels,
        zero,
        zero_durations,
        settings.dedup_window_ids,
        settings.dedup_window_age,
        GROUP_EVENTS + settings.max_events,
    )
    ledger = await SqliteLedger.open(plan, first_seen_delay=settings.first_seen_zero_for, **options)
    for total in ledger.totals().series:
        on_labels(total.series.labels)
    return ledger


async def _shared(
    settings: Settings,
    url: str,
    zero: Sequence[Series],
    zero_durations: Sequence[tuple[str, str]],
    on_labels: Callable[[tuple[str, ...]], None],
    options: dict[str, object],
) -> Ledger:
    # Not with this module: redis-py takes a fifth of a second, which a ledger in a file need not wait for.
    from exporter.ledger.redis import address
    from exporter.ledger.redis.ledger import RedisLedger
    from exporter.ledger.redis.plan import Plan as SharedPlan

    plan = SharedPlan(
        address.parse(url),
        settings.labels,
        zero,
        zero_durations,
        shards=settings.ledger_shards,
        age=settings.dedup_window_age,
        first_seen_delay=settings.first_seen_zero_for,
        timeout=settings.ledger_timeout,
        wait=address.replicas(settings.ledger_wait) if settings.ledger_wait else None,
        password_file=settings.ledger_password_file,
        on_labels=on_labels,
    )
    return await RedisLedger.open(plan, **options)
