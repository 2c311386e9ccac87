"""This exporter as one replica of the shared ledger: it joins, counts, reads others' counts and leaves."""

import asyncio
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from exporter.errors import LedgerError
from exporter.ledger.redis.client import Call, ClusterClient, key, script_call, successes
from exporter.ledger.redis.connection import CallFailed, Info, RedisSettings, check_servers
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
_SILENT: Final = 5000
"""Milliseconds without a heartbeat after which a replica counts as gone: five missed heartbeats, and a third
of a usual scrape interval."""
_CLOCK_STEP: Final = 60.0
"""Seconds by which Redis' clock must change for a warning: a step forward expires ids."""
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
        self.recent = RecentUsers(settings.clock or time.monotonic)
        self._names = names
        self.client = ClusterClient(settings)
        self._id = secrets.token_hex(6)
        self._commits = 0
        # Redis' clock less this machine's monotonic clock, seconds.
        self._offset = 0.0

    def now(self) -> float:
        """Redis' clock, Unix seconds."""
        return self.settings.clock() if self.settings.clock else time.monotonic() + self._offset

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
            _, _, clock, digits, _, _ = reply
            if part.shard == 0:
                # The clock of one server only: the clocks of a Cluster's servers may differ.
                self._set_clock(clock)
            self.totals.committed(part, reply)
            group.judge(part, digits)
        group.remember_users()
        return problem

    async def probe(self) -> None:
        """Write to each shard, as a commit does."""
        empty = Group([], self.settings.shards, 0, self.recent)
        shards = range(self.settings.shards)
        calls = [self._commit(empty, ShardPart(shard), always=True) for shard in shards]
        successes(await self.client.run(calls, confirmed=True))

    async def read(self) -> None:
        """Read the shards that have changed, as far as they can be read."""
        clock, shards = self.settings.clock_argument(), range(self.settings.shards)
        calls = [
            script_call("read", shard, _SHARD, (clock, self.totals.last_commit(shard)))
            for shard in shards
        ]
        replies = await self.client.run(calls)
        for shard, reply in zip(shards, replies, strict=True):
            if isinstance(reply, CallFailed):
                continue
            if shard == 0:
                self._set_clock(reply[1])
            if len(reply) > 2:
                commit, _, lost, series, cells = reply
                self.lost[shard] = int(lost)
                self.totals.read(shard, commit, _pairs(series), _pairs(cells))
        successes(replies)

    async def note_losses(self) -> None:
        """Write the high-water marks of records that a failover took back."""
        calls = []
        for shard in range(self.settings.shards):
            series, cells = self.totals.lost(shard)
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
                self.totals.marked(shard)
                lost += reply
        if lost:
            log.error("ledger_lost_events", events=lost)
        successes(replies)
        await self.read()

    async def heartbeat(self) -> str | None:
        """Send a heartbeat; returns the id of the ledger in Redis, None after Redis was emptied."""
        arguments = (self.settings.clock_argument(), self._id)
        ledger = await self._run("heartbeat", ("ledger", "replicas"), arguments)
        return None if ledger is None else str(ledger.decode())

    async def leave(self) -> None:
        """Leave the ledger and close all connections. Never raises."""
        command = ("ZREM", key(0, "replicas"), self._id)
        try:
            successes(await self.client.run([(0, command)]))
        except CallFailed as error:
            log.warning("ledger_close_failed", error=str(error))
        await self.client.close()

    async def _join(self) -> list[Info]:
        infos = await self.client.infos()
        check_servers(infos, self.settings)
        self.ledger, others, known = await self._register()
        if not others:
            await self._restart_delays()
        if known:
            # A scrape before the high-water marks would show totals that decrease.
            await asyncio.sleep(_MARKED)
        await self.read()
        log.info("ledger_joined", ledger=self.ledger, others=others)
        return infos

    async def _register(self) -> tuple[str, int, int]:
        """Join or create the ledger; returns its id, and the number of other replicas: that send heartbeats
        now, and that have not left, as far as Redis knows."""
        settings = self.settings
        replica = (settings.clock_argument(), self._commit_name(), self._id, _SILENT)
        new = (_FORMAT, settings.shards, secrets.token_hex(4))
        series, cells = settings.zero, settings.zero_durations
        names = (*map(self._names.of, series), *map(cell_name, cells))
        arguments = (*replica, *new, len(series), *names)
        keys = ("series", "durations", "commit", "ledger", "replicas")
        reply = await self._run("register", keys, arguments)
        written, shards, ledger, others, clock, known = reply
        if int(written) != _FORMAT:
            raise LedgerError(
                f"the shared ledger has format {int(written)}, this program writes {_FORMAT}: use the "
                "version that wrote it"
            )
        if int(shards) != settings.shards:
            raise LedgerError(
                f"ledger_shards = {settings.shards}: the shared ledger has {int(shards)} shards, and "
                "their number can't change"
            )
        self._set_clock(clock)
        return ledger.decode(), int(others), int(known)

    async def _restart_delays(self) -> None:
        """Restart the delays that ran when the last replica left: the 0 may never have been scraped."""
        now, keys = self.now(), ("series", "commit")
        arguments = (self._commit_name(), round(now * 1000), self.settings.delay_end(now))
        shards = range(self.settings.shards)
        calls = [script_call("restart_delays", shard, keys, arguments) for shard in shards]
        successes(await self.client.run(calls))

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """The reply of a script on the first shard."""
        [reply] = successes(await self.client.run([script_call(script, 0, keys, arguments)]))
        return reply

    def _commit(self, group: Group, part: ShardPart, *, always: bool = False) -> Call:
        settings = self.settings
        arguments = (
            settings.clock_argument(),
            round(settings.age * 1000),
            repr(settings.wall()),
            self._commit_name(),
            # WAIT confirms this connection's last write, so a retry with only duplicates writes too.
            "always" if always or settings.wait is not None else "",
            round(settings.first_seen_delay * 1000),
            *part.arguments(group, self._names),
        )
        return script_call("commit", part.shard, ("series", "durations", "commit"), arguments)

    def _set_clock(self, clock: bytes) -> None:
        """Set the clock to Redis' clock, milliseconds."""
        before, self._offset = self._offset, int(clock) / 1000 - time.monotonic()
        if before and abs(self._offset - before) > _CLOCK_STEP:
            log.warning("ledger_clock_changed", seconds=round(self._offset - before))

    def _commit_name(self) -> str:
        """The name of the next commit: equal names mean equal contents, after a failover too."""
        self._commits += 1
        return f"{self._id}-{self._commits}"


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Names and values, which alternate in `flat`."""
    return zip(flat[::2], flat[1::2], strict=True)
