"""The contract of every ledger. The other packages import this module and no implementation.

**Atomic.** A batch is counted whole or not at all. Of all events with the same key, exactly one is counted
while the key is in the deduplication window: the first in the order of the `commit` calls. An event without
a key is always counted. An end and its repeat are counted together.

**Ordered.** Durable, then shown in `totals`, then the receipt. Totals never show a value that a power cut can
take back.

**Concurrency.** Call `commit` and `enqueue` on the event loop that opened the ledger. Concurrent batches
share writes. A deferrable batch shares the write of the next batch, or starts its own after
`queued.LONGEST_WAIT`. A batch is written even when the task that awaits its receipt is cancelled. `totals`
and `status` may be called from any thread and never wait for a write.

**Shutdown.** `close` refuses further batches with `ShuttingDown`, answers the earlier ones, and leaves the
store clean. It may be called twice. While a write hangs, `close` gives up as after `LedgerBroken`: a thread
that waits for the disk cannot be ended.

**Failure.** After `QueueFull` and `LedgerUnavailable` nothing of the batch was counted, with two exceptions:

- While a write hangs, waiting batches get `LedgerUnavailable` and may still be counted.
- After `LedgerBroken`, reported once through `on_broken`, batches in flight get `LedgerUnavailable`. Only a
  restart from the store tells whether they were counted.

In each case the sender sends the batch again. Its events with a key are counted once, events without a key
may then be counted twice.

A shared store promises less. The docstring of its ledger says what.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import PurePath
from typing import Final, Protocol

from exporter.errors import Refused

KEY_BYTES: Final = 16
"""A key is a 128-bit hash of (system, source, id)."""
FINGERPRINT_BYTES: Final = 8
"""A fingerprint is a 64-bit hash of an event's content: one key with two fingerprints is a conflict."""
USER_BYTES: Final = 8
"""A user is a hash of (system, code, user) with a key of the process."""

MISCONFIGURATIONS: Final = ("version", "appendonly", "maxmemory_policy")
"""Settings of a shared store that can lose counts: the closed set of a metric's label."""

ACCEPTED: Final = 0
DUPLICATE: Final = 1
CONFLICT: Final = 2

REPEAT_WINDOW: Final = 900.0
"""Seconds after the first end of a user with a code, in which further ends are repeats."""
BUCKETS: Final = tuple(map(float, (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 14400, 28800)))
"""Upper bounds of `session_duration_seconds`, seconds: from a failed connect to a working day."""

Cell = tuple[str, str]
"""The (system, outcome) of a duration histogram."""


class Family(StrEnum):
    """The counter of an event.

    An event of `ENDS` that is a repeat is counted in `REPEATS` too, see `exporter.ledger.repeats`.
    `BUILDS` counts build events of a platform: `code` is the name of the event, and `session_id` of the
    exemplar is the time of the last event (Unix seconds, as text).
    """

    ENDS = "ends"
    LATE = "late"
    INTERRUPTIONS = "interruptions"
    REPEATS = "repeats"
    BUILDS = "builds"


OF_SESSIONS: Final = (Family.ENDS, Family.LATE, Family.INTERRUPTIONS)
"""The counters of session ends. Their labels come from the taxonomy."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One series of a counter; `labels` are the values of the configured labels in their order.

    `key` is the identity that is the same in all processes: the family, then the values of all labels. The
    classifier interns series: equal series of one process are the same object.
    """

    family: Family
    system: str
    code: str
    phase: str
    category: str
    outcome: str
    labels: tuple[str, ...] = ()
    key: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        codes = (self.system, self.code, self.phase, self.category, self.outcome)
        object.__setattr__(self, "key", (self.family.value, *codes, *self.labels))

    def of_repeats(self) -> "Series":
        """The series of the repeats among the ends of this series."""
        return replace(self, family=Family.REPEATS)


@dataclass(slots=True)
class Batch:
    """The classified events of one request, as columns.

    The first `len(keys) / KEY_BYTES` events have a key and a fingerprint, the others have neither.
    `durations` (seconds), `sessions` (ids for exemplars) and `users` (hashes) are None when no event has one.
    Only events of `Family.ENDS` have a user.
    """

    series: Sequence[Series]
    keys: bytes = b""
    fingerprints: bytes = b""
    durations: Sequence[float | None] | None = None
    sessions: Sequence[str | None] | None = None
    users: Sequence[bytes | None] | None = None
    deferrable: bool = False

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a batch; `verdicts` has one byte per event, or is None when all events were accepted."""

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
        return self.verdicts.count(ACCEPTED) if self.verdicts else self.events


Answered = Callable[[Receipt | Refused], None]


@dataclass(frozen=True, slots=True)
class Exemplar:
    """The last counted session of a series; `at` in Unix seconds."""

    session_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Total:
    """The durable count of a series.

    `delayed`: the series is new and exported as 0 until scrapes have seen it, because `increase()` never
    counts the first sample of a series. Repeats are exported with their ends, so their series is never
    delayed.
    """

    series: Series
    value: int
    delayed: bool = False
    exemplar: Exemplar | None = None


@dataclass(frozen=True, slots=True)
class DurationTotal:
    """Durations of the final ends of a (system, outcome).

    `counts` per bucket of `BUCKETS` and +Inf, not cumulative; `total` is the sum in seconds.
    """

    system: str
    outcome: str
    counts: tuple[int, ...]
    total: float


@dataclass(frozen=True, slots=True)
class Totals:
    """The durable counts of all series, and the short id of their ledger."""

    ledger: str
    series: Sequence[Total]
    durations: Sequence[DurationTotal]


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the ledger for readiness and self-metrics.

    `problem` is None while the ledger takes events. `alive` is False when the writer ended without `close`:
    only a restart helps. `damaged` is the file that this start moved a damaged ledger to; `damaged_at` is
    the time of the last such start (Unix seconds, 0 for never). `window_capacity` is 0 when ids expire by
    age only. `lost_events` counts events that a failover of the store took back. `misconfigured` has a
    sentence for each of `MISCONFIGURATIONS` that applies.
    """

    problem: str | None = None
    alive: bool = True
    damaged: str | None = None
    damaged_at: float = 0.0
    queue_events: int = 0
    window_ids: int = 0
    window_capacity: int = 0
    window_span: float = 0.0
    window_expired: dict[str, int] = field(default_factory=dict)
    size_bytes: int = 0
    lost_events: int = 0
    misconfigured: dict[str, str] = field(default_factory=dict)

    def stopped(self) -> str | None:
        """Why only a restart helps; None when no restart is needed."""
        return None if self.alive else "the ledger's writer has ended; restart the exporter"

    def unready(self) -> str | None:
        """Why the exporter is not ready; None when it is."""
        if reason := self.stopped() or self.problem:
            return reason
        if self.damaged is None:
            return None
        # Unready until a restart, so that an operator notices.
        return (
            f"the ledger was damaged and moved to {PurePath(self.damaged).name}; counts "
            "started again from 0. Keep that file, find the cause, then restart the exporter."
        )


class Ledger(Protocol):
    """Counts batches exactly once, as the docstring of this module says."""

    async def commit(self, batch: Batch) -> Receipt:
        """Count a batch durably. Raises `QueueFull`, `LedgerUnavailable` or `ShuttingDown`."""

    def enqueue(self, batch: Batch, answered: Answered) -> None:
        """`commit` without a task. Raises the errors that `commit` raises before it waits.

        `answered`, a new object for each batch, is called later on the loop, once, with the receipt or with
        the error that `commit` would raise.
        """

    def totals(self) -> Totals: ...

    def status(self) -> Status: ...

    async def close(self) -> None: ...
