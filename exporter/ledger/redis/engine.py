"""Script calls by shard, sent to the servers that hold the shards: one round trip a server."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import (
    ClusterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    ResponseError,
)

from exporter.ledger.redis.address import Address
from exporter.ledger.redis.link import Command, Link, Unreached
from exporter.ledger.redis.routes import Routes, key, words
from exporter.ledger.redis.scripts import ALL, Script

_ROUNDS: Final = 3
"""Times that calls are sent: at first, with the scripts loaded, and to where a shard has moved. A server
that answers so has not run them."""
_WAIT_SHARE: Final = 0.8
"""Part of the deadline that WAIT and WAITAOF may take, so that their answer comes before it."""
_AGAIN: Final = (NoScriptError, MovedError)
"""Answers after which a call is sent again: it has not been run."""
_ELSEWHERE: Final = (MovedError, ReadOnlyError, ClusterDownError)
"""Answers of a server that may not be a shard's any more."""

Arguments = Sequence[bytes | str | int | float]


@dataclass(frozen=True, slots=True)
class Call:
    """One script on one shard; `keys` are names after the shard's prefix."""

    shard: int
    script: Script
    keys: tuple[str, ...]
    arguments: Arguments

    def command(self) -> Command:
        names = [key(self.shard, name) for name in self.keys]
        return ("EVALSHA", self.script.sha, len(names), *names, *self.arguments)


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a call has no reply: refused with nothing done, or (`unknown`) nobody knows."""

    problem: str
    unknown: bool = False


class Engine:
    """One server, or the masters of a Cluster. Used by one task at a time.

    `wait` is None, or the number of replicas that must have a write, 0 for this server's own
    append-only file; `password` is read at each connection, so that it may be changed in its file.
    """

    def __init__(
        self,
        address: Address,
        password: Callable[[], str | None],
        timeout: float,
        shards: int,
        wait: int | None = None,
    ) -> None:
        self._routes = Routes(address, password, timeout, shards)
        self._timeout, self._wait = timeout, wait

    async def run(self, calls: Sequence[Call], *, confirmed: bool = False) -> list[Any]:
        """A reply or a `Failed` for each call; with `confirmed`, as durable as `wait` asks for."""
        replies: list[Any] = [None] * len(calls)
        pending = list(range(len(calls)))
        for _ in range(_ROUNDS):
            try:
                await self._routes.learn()
            except Unreached as error:
                for index in pending:
                    replies[index] = Failed(str(error))
                break
            groups: dict[Link, list[int]] = {}
            for index in pending:
                groups.setdefault(self._routes.of(calls[index].shard), []).append(index)
            await asyncio.gather(
                *(
                    self._send(link, group, calls, replies, confirmed)
                    for link, group in groups.items()
                )
            )
            pending = [index for index in pending if isinstance(replies[index], _AGAIN)]
            if not pending:
                break
        return [Failed(words(one)) if isinstance(one, Exception) else one for one in replies]

    async def ask(self, *command: str) -> list[Any]:
        """The reply of each server to a command. Raises `Unreached` when one has none."""
        await self._routes.learn()
        return [await self._ask(link, command) for link in self._routes.servers()]

    async def tell(self, shard: int, *command: str) -> None:
        """A command to a shard's server. Raises `Unreached`."""
        await self._routes.learn()
        await self._ask(self._routes.of(shard), command)

    async def close(self) -> None:
        await self._routes.close()

    async def _send(
        self,
        link: Link,
        group: Sequence[int],
        calls: Sequence[Call],
        replies: list[Any],
        confirmed: bool,
    ) -> None:
        """Fill in the replies of the calls that one server gets."""
        commands = [calls[index].command() for index in group]
        if confirmed and self._wait is not None:
            limit = int(self._timeout * _WAIT_SHARE * 1000)
            commands.append(("WAIT", self._wait, limit) if self._wait else ("WAITAOF", 1, 0, limit))
        try:
            found = await link.run(commands)
        except Unreached as error:
            self._routes.doubt()
            for index in group:
                replies[index] = Failed(str(error), unknown=True)
            return
        unconfirmed = self._unconfirmed(link, found.pop()) if len(found) > len(group) else None
        for index, reply in zip(group, found, strict=True):
            done = unconfirmed is None or isinstance(reply, Exception)
            replies[index] = reply if done else unconfirmed
        if any(isinstance(reply, _ELSEWHERE) for reply in found):
            self._routes.doubt()
        if any(isinstance(reply, ReadOnlyError) for reply in found):
            # The name of a server alone may lead to another one by now.
            await link.close()
        if any(isinstance(reply, NoScriptError) for reply in found):
            await self._load(link)

    def _unconfirmed(self, link: Link, reply: Any) -> Failed | None:
        """What WAIT or WAITAOF says against a group of writes."""
        if isinstance(reply, Exception):
            return Failed(f"{link.name} can't confirm a write: {words(reply)}", unknown=True)
        if self._wait:
            enough, said = reply >= self._wait, f"{reply} of {self._wait} replicas"
        else:
            enough, said = reply[0] >= 1, "not its append-only file"
        return None if enough else Failed(f"{link.name}: {said} confirmed a write", unknown=True)

    async def _ask(self, link: Link, command: tuple[str, ...]) -> Any:
        try:
            [reply] = await link.run([command])
        except Unreached:
            self._routes.doubt()
            raise
        if isinstance(reply, ResponseError):
            raise Unreached(f"{link.name} refuses {command[0]}: {words(reply)}")
        return reply

    async def _load(self, link: Link) -> None:
        try:
            await link.run([("SCRIPT", "LOAD", script.text) for script in ALL])
        except Unreached:
            self._routes.doubt()
