"""A replica's part in the shared ledger: it joins, counts, looks at what others counted, and leaves."""

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from exporter.errors import LedgerError
from exporter.ledger.redis.engine import Arguments, Call, Engine, Failed
from exporter.ledger.redis.group import Group, Part
from exporter.ledger.redis.link import Unreached
from exporter.ledger.redis.names import Names
from exporter.ledger.redis.plan import Plan
from exporter.ledger.redis.scripts import ALIVE, HOLD, MARK, READ, REGISTER
from exporter.ledger.redis.view import View
from exporter.logs import Log

log = Log("exporter.ledger")

FORMAT: Final = 1
SILENT: Final = 5000
"""Milliseconds without a sign of life after which a replica does not count as one that is scraped: five
missed signs, and a third of a usual scrape interval."""
_SHARD: Final = ("series", "durations", "commit", "lost")


@dataclass(slots=True)
class Member:
    """One replica and what it knows. `replica` is its name in the ledger, `offset` the engine's clock less
    this machine's monotonic one, seconds; `lost` are events lost, by shard. Used by one task at a time.
    """

    plan: Plan
    engine: Engine
    names: Names
    view: View
    replica: str
    ledger: str = ""
    offset: float = 0.0
    lost: dict[int, int] = field(default_factory=dict)
    commits: int = 0

    def now(self) -> float:
        """The engine's clock, Unix seconds."""
        return self.plan.clock() if self.plan.clock else time.monotonic() + self.offset

    async def count(self, group: Group) -> str | None:
        """Write a group, then show it. What went wrong when one of its parts failed: the group knows
        which."""
        parts = group.parts
        replies = await self.engine.run([self._commit(group, one) for one in parts], confirmed=True)
        problem = None
        for part, reply in zip(parts, replies, strict=True):
            if isinstance(reply, Failed):
                group.failed(part)
                problem = reply.problem
            else:
                self._took(part, reply)
                group.judged(part, reply[3])
        return problem

    async def probe(self) -> None:
        """Write to each shard, as a commit would. Raises `Unreached`."""
        empty = Group([], self.plan.shards, 0)
        shards = range(self.plan.shards)
        calls = [self._commit(empty, Part(shard), always=True) for shard in shards]
        _all(await self.engine.run(calls, confirmed=True))

    async def register(self) -> int:
        """Join or begin the ledger: how many other replicas there are. Raises `Unreached`, and
        `LedgerError` when it has another shape."""
        plan = self.plan
        arguments: Arguments = [
            *(plan.clock_argument(), self._name(), self.replica, SILENT, FORMAT, plan.shards),
            *(self.ledger or secrets.token_hex(4), repr(plan.wall()), len(plan.zero)),
            *map(self.names.of, plan.zero),
            *map(self.names.of_cell, plan.zero_durations),
        ]
        keys = ("series", "durations", "commit", "ledger", "replicas")
        [reply] = _all(await self.engine.run([Call(0, REGISTER, keys, arguments)]))
        written, shards, ledger, others, clock = reply
        if int(written) != FORMAT:
            raise LedgerError(
                f"the shared ledger has format {int(written)}, this program writes {FORMAT}: use the "
                "version that wrote it"
            )
        if int(shards) != plan.shards:
            raise LedgerError(
                f"ledger_shards = {plan.shards}: the shared ledger was begun with {int(shards)}, and "
                "an id must always be looked up where it was written"
            )
        self.ledger = ledger.decode()
        self._told(clock)
        return int(others)

    async def look(self) -> None:
        """Read the shards that changed, as far as they can be read. Raises `Unreached`."""
        clock, view = self.plan.clock_argument(), self.view
        shards = range(self.plan.shards)
        calls = [Call(shard, READ, _SHARD, (clock, view.commit(shard))) for shard in shards]
        replies = await self.engine.run(calls)
        for shard, reply in zip(shards, replies, strict=True):
            if isinstance(reply, Failed):
                continue
            if shard == 0:
                self._told(reply[1])
            if len(reply) > 2:
                commit, _, lost, series, cells = reply
                self.lost[shard] = int(lost)
                view.looked(shard, commit, _pairs(series), _pairs(cells))
        _all(replies)

    async def hold_anew(self) -> None:
        """Hold for the full time what was held when the last replica ended: it may never have been
        scraped at 0. Raises `Unreached`."""
        now, calls, held = self.now(), [], []
        for shard in range(self.plan.shards):
            if names := self.view.held(shard, now, self.plan.first_seen_delay):
                held += names
                arguments: Arguments = (b"%d" % round(now * 1000), self._name(), *names)
                calls.append(Call(shard, HOLD, ("series", "commit"), arguments))
        _all(await self.engine.run(calls))
        self.view.hold_from(held, now)
        if calls:
            await self.look()

    async def note_losses(self) -> None:
        """Write down the high-water marks of what a failover took back. Raises `Unreached`."""
        calls = []
        for shard in range(self.plan.shards):
            series, cells = self.view.fallen(shard)
            if series or cells:
                rows = [text for pair in (*series.items(), *cells.items()) for text in pair]
                arguments: Arguments = (self._name(), len(series), *rows)
                calls.append(Call(shard, MARK, _SHARD, arguments))
        if not calls:
            return
        lost = 0
        replies = await self.engine.run(calls)
        for call, reply in zip(calls, replies, strict=True):
            if not isinstance(reply, Failed):
                self.view.marked(call.shard)
                lost += reply
        if lost:
            log.error("ledger_lost_events", events=lost)
        _all(replies)
        await self.look()

    async def show_life(self) -> str:
        """Be counted as a replica; join anew when the store was emptied. The id of the ledger that is
        there now. Raises `Unreached`."""
        arguments = (self.plan.clock_argument(), self.replica)
        [reply] = _all(await self.engine.run([Call(0, ALIVE, ("ledger", "replicas"), arguments)]))
        if reply is not None:
            return str(reply.decode())
        log.error("ledger_emptied", ledger=self.ledger)
        mine = self.ledger
        await self.register()
        there, self.ledger = self.ledger, mine
        return there

    async def leave(self) -> None:
        try:
            await self.engine.tell(0, "ZREM", "{0}:replicas", self.replica)
        except Unreached as error:
            log.warning("ledger_close_failed", error=str(error))
        await self.engine.close()

    def _commit(self, group: Group, part: Part, *, always: bool = False) -> Call:
        return part.call(
            group.columns,
            self.names,
            clock=self.plan.clock_argument(),
            expiry=max(1, round(self.plan.age * 1000)),
            created=self.plan.wall(),
            commit=self._name(),
            # WAIT speaks of this connection's last write: a retry that only finds duplicates needs one.
            always=always or self.plan.wait is not None,
        )

    def _took(self, part: Part, reply: Sequence[Any]) -> None:
        before, after, clock, _, series, cells = reply
        if part.shard == 0:
            # Of one server: those of a Cluster need not agree.
            self._told(clock)
        self.view.wrote(
            part.shard,
            before,
            after,
            zip(map(self.names.of, part.series), series, strict=True),
            zip(map(self.names.of_cell, part.cells), cells, strict=True),
        )

    def _told(self, clock: bytes) -> None:
        """Set the clock by what the engine says, milliseconds."""
        self.offset = int(clock) / 1000 - time.monotonic()

    def _name(self) -> str:
        """The next commit's: equal names mean equal contents, after a failover too."""
        self.commits += 1
        return f"{self.replica}-{self.commits}"


def _all(replies: list[Any]) -> list[Any]:
    """The replies. Raises `Unreached` when one is missing."""
    for reply in replies:
        if isinstance(reply, Failed):
            raise Unreached(reply.problem)
    return replies


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Names and values that come in turn."""
    return zip(flat[::2], flat[1::2], strict=True)
