"""Histories of commits, retries, changed content, restarts, crashes and clock jumps, compared with a dict.

Rows 9 and 11. Fails when conflicts ignore the fingerprint, when few and many keys of a group get different
verdicts, when ids expire one commit early or by the wall clock, and when ids are dropped before the write.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.ledger import repeats, window
from exporter.ledger.contract import ACCEPTED, CONFLICT, DUPLICATE, Receipt, Series
from exporter.ledger.sqlite import SqliteLedger
from tests.ledger.batches import FAILURE, LATE, OTHER, Event, batch
from tests.ledger.home import FULL, SqliteHome, crash

IDS, AGE, WINDOW = 30, 100.0, 90.0
SLACK = 4 * 12
"""The most ids of a group: four batches at once."""
ROW_IDS, ROWS_PER_BOUND = 4, 2
"""Few ids per row, so that short histories have many rows."""
SERIES = st.sampled_from([FAILURE, OTHER, LATE])
BATCH = st.tuples(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 1)), max_size=12),
    st.integers(0, 2),
    SERIES,
    st.lists(st.sampled_from([None, b"one user", b"another!"]), min_size=14, max_size=14),
)


class AnyHistory(RuleBasedStateMachine):
    """A ledger and its model: content and time of each counted id, time of each user's last end that was not
    a repeat, and count of each series."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(window, "ROW_IDS", ROW_IDS)
        self.patch.setattr(window, "ROWS_PER_BOUND", ROWS_PER_BOUND)
        self.patch.setattr(repeats, "REPEAT_WINDOW", WINDOW)
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-"))
        self.copies = 0
        self.home = SqliteHome(self.folder / "0")
        self.elapsed = 0.0
        self.order: dict[int, tuple[int, float]] = {}
        self.users: dict[bytes, float] = {}
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.ledger = self.opened()
        self.name = self.ledger.totals().ledger

    def opened(self) -> SqliteLedger:
        self.users.clear()
        settings = self.home.settings(ids=IDS, age=AGE, slack=SLACK)
        return self.loop.run_until_complete(SqliteLedger.open(settings))

    def judge(self, events: list[Event], verdicts: bytes) -> int:
        """Compare verdicts with the model, and update the model. Returns the number of accepted events.

        An id beyond a bound of the window may or may not be known: the model accepts both.
        """
        promised = {
            number
            for number, (_, at) in list(self.order.items())[-IDS:]
            if self.elapsed - at <= AGE
        }
        seen: set[int] = set()
        accepted = 0
        for (number, content), verdict in zip(events, verdicts, strict=True):
            if verdict == ACCEPTED:
                assert number not in promised | seen
                self.order.pop(number, None)
                self.order[number] = (content, self.elapsed)
                accepted += 1
            else:
                assert number in self.order
                assert verdict == (DUPLICATE if self.order[number][0] == content else CONFLICT)
            seen.add(number)
        return accepted

    def count_repeats(self, of: Series, sent: Sequence[bytes | None], verdicts: bytes) -> None:
        for user, verdict in zip(sent, verdicts, strict=True):
            if user is None or verdict != ACCEPTED:
                continue
            if user in self.users and self.elapsed - self.users[user] < WINDOW:
                self.counts[of.of_repeats().key] += 1
            else:
                self.users[user] = self.elapsed

    @rule(batches=st.lists(BATCH, min_size=1, max_size=4))
    def commit_at_once(
        self, batches: list[tuple[list[Event], int, Series, list[bytes | None]]]
    ) -> None:
        sent = []
        for events, unkeyed, of, users in batches:
            column = None if of is LATE else users[: len(events) + unkeyed]
            sent.append(batch(events, unkeyed=unkeyed, of=of, users=column))

        async def commit() -> list[Receipt]:
            return await asyncio.gather(*map(self.ledger.commit, sent))

        receipts = self.loop.run_until_complete(commit())
        for (events, unkeyed, of, _), each, receipt in zip(batches, sent, receipts, strict=True):
            verdicts = receipt.verdicts or bytes(receipt.events)
            assert not any(verdicts[len(events) :])
            self.counts[of.key] += unkeyed + self.judge(events, verdicts[: len(events)])
            if each.users is not None:
                self.count_repeats(of, each.users, verdicts)

    @rule()
    def retry_the_latest_ids(self) -> None:
        events = [(number, content) for number, (content, _) in self.order.items()]
        self.commit_at_once([(events[-IDS:], 0, LATE, [])])

    @rule(quarters=st.integers(0, 240))
    def time_passes(self, quarters: int) -> None:
        seconds = quarters / 4  # exact, as is their sum
        self.home.monotonic.advance(seconds)
        self.elapsed += seconds

    @rule(hours=st.sampled_from([-25, 25]))
    def the_wall_clock_jumps(self, hours: int) -> None:
        self.home.wall.advance(hours * 3600)

    @rule()
    def restart(self) -> None:
        """The time between does not age ids."""
        self.loop.run_until_complete(self.ledger.close())
        self.home.monotonic.advance(10 * AGE)
        self.ledger = self.opened()

    @rule()
    def crash(self) -> None:
        """The next process has only the files as they are now."""
        self.copies += 1
        copy = self.folder / str(self.copies)
        crash(self.home.folder, copy)
        old, self.home.folder = self.ledger, copy
        self.ledger = self.opened()
        self.loop.run_until_complete(old.close())

    @invariant()
    def the_totals_are_those_of_the_model(self) -> None:
        totals = self.ledger.totals()
        shown = {total.series.key: total.value for total in totals.series if total.value}
        assert shown == {of: count for of, count in self.counts.items() if count}
        assert totals.ledger == self.name
        status = self.ledger.status()
        assert status.problem is None
        assert status.damaged is None

    def teardown(self) -> None:
        self.loop.run_until_complete(self.ledger.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.folder)
        self.patch.undo()


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(
    max_examples=1000 if FULL else 25,
    stateful_step_count=40 if FULL else 25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
