"""What every ledger promises; ingest and metrics know this module and no implementation.

**Atomic.** A batch is committed whole or not at all. Of events with the same key, within a batch or
across batches, exactly one is counted while the key is in the deduplication window: the first in
the order in which `commit` was called. An event without a key is always counted.

**Ordered.** Durable → published to `totals` → receipt. No total ever shows a value that a power cut
could take back.

**Concurrency.** `commit` is called on the event loop the ledger was opened on, as often at once as
one likes: concurrent batches may share one write. `totals` and `status` may be called from any thread
and never wait for a write.

**Coalescing.** A deferrable batch does not start a write at once: it shares the write of the next batch, or
starts its own after `exporter.ledger.coalescing.LONGEST_WAIT` seconds. Its place in the order stays.

**Cancellation.** A batch that `commit` took is written even when the task that awaits it is
cancelled.

**Shutdown.** `close` refuses further batches with `ShuttingDown`, answers every batch it took, and
leaves the store so that the next open needs no repair. Closing twice is fine. While a write hangs, `close`
gives up instead, as after `LedgerBroken`: the write's thread can't be ended, only the process.

**Failure.** `QueueFull` and `LedgerUnavailable`: nothing of the batch was counted, send it again.
A write that hangs is the exception: the batches that wait for it get `LedgerUnavailable` too, and nobody
knows yet whether they will be counted. Sent again, their events with a key are counted once, those without
a key may be counted twice. New batches get `LedgerUnavailable` until the write has returned.
After `LedgerBroken` (told through `on_broken`, once) the batches in flight get `LedgerUnavailable`,
nobody knows whether they were counted, and only a restart from the store tells.

A ledger that several processes share over a network can't promise all of this. Where
`exporter.ledger.redis.ledger` promises less it says so in these words: what a batch that failed means, what
durable means, and when a process shows what others counted. Its retries are exact all the same for
every event with a key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

KEY_BYTES: Final = 16
"""A key is a 128-bit hash of (system, source, id)."""
FINGERPRINT_BYTES: Final = 8
"""A fingerprint is a 64-bit hash of an event's content: the same key with another one is a conflict."""

MISCONFIGURATIONS: Final = ("version", "appendonly", "maxmemory_policy")
"""Settings of a shared store that can lose counts: the closed set of a metric's label."""

ACCEPTED: Final = 0
DUPLICATE: Final = 1
CONFLICT: Final = 2

BUCKETS: Final = (
    1.0,
    5.0,
    15.0,
    30.0,
    60.0,
    300.0,
    900.0,
    1800.0,
    3600.0,
    7200.0,
    14400.0,
    28800.0,
)
"""Upper bounds of `session_duration_seconds`, seconds: a failed connect (1 s) to a working day (8 h)."""


class Family(StrEnum):
    """Which counter an event goes to: exactly one of them.

    `BUILDS` counts a platform's build events: `code` is the event's name, phase, category and outcome
    are empty, and the exemplar's `session_id` is when the last one happened (Unix seconds, as text).
    """

    ENDS = "ends"
    LATE = "late"
    INTERRUPTIONS = "interruptions"
    BUILDS = "builds"


OF_SESSIONS: Final = (Family.ENDS, Family.LATE, Family.INTERRUPTIONS)
"""The counters of session ends, which have the taxonomy's labels."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One line of a counter. Interned by the classifier: equal series are the same object.

    `labels` are the values of the configured labels, in the settings' order.
    """

    family: Family
    system: str
    code: str
    phase: str
    category: str
    outcome: str
    labels: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The identity that survives the process."""
        return (
            self.family.value,
            self.system,
            self.code,
            self.phase,
            self.category,
            self.outcome,
            *self.labels,
        )


@dataclass(slots=True)
class Batch:
    """The classified events of one request, as columns.

    The first `len(keys) / KEY_BYTES` events have a key and a fingerprint, the rest have neither.
    `durations` (seconds) and `sessions` (exemplars) are None when no event has one. A
    `deferrable` batch may wait for another batch's write.
    """

    series: Sequence[Series]
    keys: bytes = b""
    fingerprints: bytes = b""
    durations: Sequence[float | None] | None = None
    sessions: Sequence[str | None] | None = None
    deferrable: bool = False

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch: `verdicts` has a byte per event, or is None when all were accepted."""

    events: int
    verdicts: bytes | None = None

    @property
    def duplicates(self) -> int:
        return self.verdicts.count(DUPLICATE) if self.verdicts else 0

    @property
    def conflicts(self) -> int:
        return self.verdicts.count(CONFLICT) if self.verdicts else 0

    @property
    def accepted(self) -> int:
        return self.events - self.duplicates - self.conflicts


@dataclass(frozen=True, slots=True)
class Exemplar:
    """The last session counted in a series; `at` in Unix seconds."""

    session_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Total:
    """A series' durable count.

    `delayed`: the series is new and in its first-seen delay. It is exported as 0 until scrapes have seen it,
    because `increase()` never counts a series' first sample. `created` in Unix seconds; it survives restarts.
    """

    series: Series
    value: int
    created: float
    delayed: bool = False
    exemplar: Exemplar | None = None


@dataclass(frozen=True, slots=True)
class DurationTotal:
    """Durations of the final ends of a (system, outcome): counts per bucket of `BUCKETS` plus +Inf, not
    cumulative; `total` is their sum in seconds."""

    system: str
    outcome: str
    counts: tuple[int, ...]
    total: float
    created: float


@dataclass(frozen=True, slots=True)
class Totals:
    """Every series' durable count, and the short id of the ledger they are kept in."""

    ledger: str
    series: Sequence[Total]
    durations: Sequence[DurationTotal]


@dataclass(frozen=True, slots=True)
class Status:
    """How the ledger is doing, for readiness and self-metrics.

    `problem` is None when events can be taken. `alive` is False when what writes has ended without
    `close`, so that only a restart helps. `damaged` names the file a damaged ledger was moved
    to at start, `damaged_at` when (Unix seconds, 0 for never). A `window_capacity` of 0 is a window
    whose ids expire by age alone. `lost_events` were counted, and a failover of the store took them
    back; `misconfigured` has a sentence for each setting of the store that risks it.
    """

    problem: str | None = None
    alive: bool = True
    damaged: str | None = None
    damaged_at: float = 0.0
    queue_events: int = 0
    queue_bytes: int = 0
    window_ids: int = 0
    window_capacity: int = 0
    window_span: float = 0.0
    window_expired: dict[str, int] = field(default_factory=dict)
    size_bytes: int = 0
    lost_events: int = 0
    misconfigured: dict[str, str] = field(default_factory=dict)


class Ledger(Protocol):
    """Counts batches exactly once; the module's docstring is the contract."""

    async def commit(self, batch: Batch) -> Receipt:
        """Count a batch durably. Raises `QueueFull`, `LedgerUnavailable` or `ShuttingDown`."""

    def totals(self) -> Totals:
        """What is durable now."""

    def status(self) -> Status:
        """How the ledger is doing now."""

    async def close(self) -> None:
        """Stop taking batches, answer those taken, leave the store clean."""
