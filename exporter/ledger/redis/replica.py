"""This exporter as one replica of the shared ledger: it joins, counts, and reads others' counts."""

import asyncio
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Final

from exporter.errors import LedgerError
from exporter.ledger.redis.client import Call, ClusterClient, key, script_call, successes
from exporter.ledger.redis.connection import VERSION, CallFailed, Info, RedisSettings, misconfigured
from exporter.ledger.redis.group import Group, ShardPart
from exporter.ledger.redis.records import Names, cell_name
from exporter.ledger.redis.totals import SharedTotals
from exporter.ledger.repeats import RecentUsers
from exporter.logs import Log

log = Log("exporter.ledger")

READ_INTERVAL: Final = 1.0
"""Seconds between reads of other replicas' counts."""
_MARKED: Final = READ_INTERVAL + 0.3
"""Seconds within which other replicas write their high-water marks after Redis lost events."""
_FORMAT: Final = 2
_RETRY: Final = 0.25
"""Seconds between attempts of a start."""
_SHARD: Final = ("series", "durations", "commit", "lost")


class Replica:
    """One replica and its totals, used by one task at a time. `lost` is the number of lost events by shard.

    Methods raise `CallFailed` where their docstrings do not say otherwise.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self.settings = settings
        self.totals = SharedTotals(settings, names := Names(settings.label_names, settings.zero))
        self.ledger = ""
        self.lost: dict[int, int] = {}
        self.recent = RecentUsers(settings.monotonic)
        self._names = names
        self.client = ClusterClient(settings)
        self._id = secrets.token_hex(6)
        self._commits = 0

    async def join(self) -> list[Info]:
        """Join the ledger, or create it; returns INFO of each server.

        Raises `LedgerError` when Redis can't be reached or can't hold the ledger, and `ConfigError` for
        the password's file.
        """
        self.settings.password()
        deadline = time.monotonic() + self.settings.start_timeout
        try:
            while True:
                try:
                    return await self._join()
                except CallFailed as error:
                    if time.monotonic() >= deadline:
                        raise LedgerError(f"the shared ledger can't be reached: {error}") from None
                    await asyncio.sleep(_RETRY)
        except BaseException:
            await self.client.close()
            raise

    async def count(self, group: Group) -> CallFailed | None:
        """Write a group, then show it. Returns the error of a part that failed."""
        parts = group.parts.values()
        calls = [self._commit(group, part) for part in parts]
        problem = None
        for part, reply in zip(parts, await self.client.run(calls, confirmed=True), strict=True):
            if isinstance(reply, CallFailed):
                group.fail(part)
                problem = reply
                continue
            self.totals.committed(part, reply)
            group.judge(part, reply[2])
        group.remember_users()
        return problem

    async def probe(self) -> None:
        """Write to each shard, as a commit does."""
        shards = range(self.settings.shards)
        calls: list[Call] = [(shard, ("HSET", key(shard, "probe"), "", "")) for shard in shards]
        successes(await self.client.run(calls, confirmed=True))

    async def read(self) -> None:
        """Read the shards that have changed, as far as they can be read."""
        shards = self.totals.shards
        calls = [
            script_call("read", shard, _SHARD, (known.commit,))
            for shard, known in enumerate(shards)
        ]
        replies = await self.client.run(calls)
        for shard, reply in zip(range(len(shards)), replies, strict=True):
            if reply and not isinstance(reply, CallFailed):
                commit, lost, series, cells = reply
                self.lost[shard] = int(lost)
                self.totals.read(shard, commit, _pairs(series), _pairs(cells))
        successes(replies)

    async def note_losses(self) -> None:
        """Write the high-water marks of records that a failover took back."""
        calls = []
        for shard, known in enumerate(self.totals.shards):
            series, cells = known.series.lost, known.cells.lost
            if series or cells:
                rows = [text for pair in (*series.items(), *cells.items()) for text in pair]
                arguments = (self._commit_name(), len(series), *rows)
                calls.append(script_call("high_water", shard, _SHARD, arguments))
        if not calls:
            return
        replies = await self.client.run(calls)
        lost = 0
        for (shard, _), reply in zip(calls, replies, strict=True):
            if not isinstance(reply, CallFailed):
                known = self.totals.shards[shard]
                known.series.lost.clear()
                known.cells.lost.clear()
                lost += reply
        if lost:
            log.error("ledger_lost_events", events=lost)
        successes(replies)
        await self.read()

    async def stored_ledger(self) -> str | None:
        """The id of the ledger in Redis; None after Redis was emptied."""
        call = (0, ("HGET", key(0, "ledger"), "ledger"))
        [ledger] = successes(await self.client.run([call]))
        return None if ledger is None else str(ledger.decode())

    async def _join(self) -> list[Info]:
        infos = await self.client.infos()
        if problem := misconfigured(infos).get(VERSION):
            raise LedgerError(problem)
        new = secrets.token_hex(4)
        self.ledger = await self._register(new)
        if self.ledger != new:
            # A scrape before the high-water marks of other replicas would show totals that decrease.
            await asyncio.sleep(_MARKED)
        await self.read()
        self.totals.joined = True
        log.info("ledger_joined", ledger=self.ledger)
        return infos

    async def _register(self, new: str) -> str:
        """Join the ledger, or create it with the id `new`; returns its id."""
        settings = self.settings
        shape = (self._commit_name(), _FORMAT, settings.shards, new)
        series, cells = settings.zero, settings.zero_durations
        names = (*map(self._names.of, series), *map(cell_name, cells))
        arguments = (*shape, len(series), *names)
        call = script_call("register", 0, (*_SHARD[:3], "ledger"), arguments)
        [reply] = successes(await self.client.run([call]))
        written, shards, ledger = reply
        if (int(written), int(shards)) != (_FORMAT, settings.shards):
            raise LedgerError(
                f"the shared ledger has format {int(written)} and {int(shards)} shards, which can't change; "
                f"this program writes format {_FORMAT}, with ledger_shards = {settings.shards}"
            )
        return str(ledger.decode())

    def _commit(self, group: Group, part: ShardPart) -> Call:
        settings = self.settings
        arguments = (
            round(settings.age * 1000),
            repr(settings.wall()),
            self._commit_name(),
            # WAIT confirms this connection's last write, so a retry with only duplicates writes too.
            "always" if settings.wait is not None else "",
            *part.arguments(group, self._names),
        )
        return script_call("commit", part.shard, _SHARD[:3], arguments)

    def _commit_name(self) -> str:
        """The name of the next commit: equal names mean equal contents, after a failover too."""
        self._commits += 1
        return f"{self._id}-{self._commits}"


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Names and values, which alternate in `flat`."""
    return zip(flat[::2], flat[1::2], strict=True)
