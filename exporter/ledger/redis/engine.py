"""Script calls by shard, sent to the servers that hold the shards: one round trip a server."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.crc import key_slot
from redis.exceptions import (
    ClusterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    ResponseError,
)

from exporter.ledger.redis.address import Address
from exporter.ledger.redis.link import Command, Link, Unreached
from exporter.ledger.redis.scripts import ALL, Script

_ROUNDS: Final = 3
"""Times that calls are sent: at first, with the scripts loaded, and to where a shard has moved. A server
that answers so has not run them."""
_WAIT_SHARE: Final = 0.8
"""Part of the deadline that WAIT and WAITAOF may take, so that their answer comes before it."""


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


def key(shard: int, name: str) -> str:
    """A key of a shard. What is in braces decides a Cluster's slot: a shard is on one server."""
    return f"{{{shard}}}:{name}"


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
        self._address, self._password, self._timeout = address, password, timeout
        self._shards, self._wait = shards, wait
        self._links: dict[tuple[str, int], Link] = {}
        self._routes: list[Link] = []
        self._nodes: set[Link] = set()

    async def run(self, calls: Sequence[Call], *, confirmed: bool = False) -> list[Any]:
        """A reply or a `Failed` for each call; with `confirmed`, as durable as `wait` asks for."""
        replies: list[Any] = [None] * len(calls)
        pending = list(range(len(calls)))
        for _ in range(_ROUNDS):
            try:
                await self._locate()
            except Unreached as error:
                for index in pending:
                    replies[index] = Failed(str(error))
                break
            groups: dict[Link, list[int]] = {}
            for index in pending:
                groups.setdefault(self._routes[calls[index].shard], []).append(index)
            await asyncio.gather(
                *(
                    self._send(link, group, calls, replies, confirmed)
                    for link, group in groups.items()
                )
            )
            pending = [index for index in pending if isinstance(replies[index], _AGAIN)]
            if not pending:
                break
        return [Failed(_text(one)) if isinstance(one, Exception) else one for one in replies]

    async def ask(self, *command: str) -> list[Any]:
        """The reply of each server to a command. Raises `Unreached` when one has none."""
        await self._locate()
        return [await self._ask(link, command) for link in dict.fromkeys(self._routes)]

    async def tell(self, shard: int, *command: str) -> None:
        """A command to a shard's server. Raises `Unreached`."""
        await self._locate()
        await self._ask(self._routes[shard], command)

    async def close(self) -> None:
        for link in self._links.values():
            await link.close()
        self._links, self._routes = {}, []

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
            self._routes = []
            for index in group:
                replies[index] = Failed(str(error), unknown=True)
            return
        unconfirmed = self._unconfirmed(link, found.pop()) if len(found) > len(group) else None
        for index, reply in zip(group, found, strict=True):
            done = unconfirmed is None or isinstance(reply, Exception)
            replies[index] = reply if done else unconfirmed
        if any(isinstance(reply, _ELSEWHERE) for reply in found):
            self._routes = []
        if any(isinstance(reply, ReadOnlyError) for reply in found):
            # The name of a server alone may lead to another one by now.
            await link.close()
        if any(isinstance(reply, NoScriptError) for reply in found):
            await self._load(link)

    def _unconfirmed(self, link: Link, reply: Any) -> Failed | None:
        """What WAIT or WAITAOF says against a group of writes."""
        if isinstance(reply, Exception):
            return Failed(f"{link.name} can't confirm a write: {_text(reply)}", unknown=True)
        if self._wait:
            enough, said = reply >= self._wait, f"{reply} of {self._wait} replicas"
        else:
            enough, said = reply[0] >= 1, "not its append-only file"
        return None if enough else Failed(f"{link.name}: {said} confirmed a write", unknown=True)

    async def _ask(self, link: Link, command: tuple[str, ...]) -> Any:
        try:
            [reply] = await link.run([command])
        except Unreached:
            self._routes = []
            raise
        if isinstance(reply, ResponseError):
            raise Unreached(f"{link.name} refuses {command[0]}: {_text(reply)}")
        return reply

    async def _load(self, link: Link) -> None:
        try:
            await link.run([("SCRIPT", "LOAD", script.text) for script in ALL])
        except Unreached:
            self._routes = []

    async def _locate(self) -> None:
        """Learn which server holds each shard, unless known. Raises `Unreached`."""
        if self._routes:
            return
        if not self._address.cluster:
            self._routes = [self._link(*self._address.hosts[0])] * self._shards
            return
        nodes = dict.fromkeys([*self._links, *self._address.hosts])
        # All at once: one after the other, each that is silent would take a whole deadline.
        asked = {asyncio.create_task(self._slots(self._link(*node))) for node in nodes}
        problem, waiting = "no node", asked
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    try:
                        self._routes = self._routed(*task.result())
                    except Unreached as error:
                        problem = str(error)
                if self._routes:
                    return
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            await self._forget()
        raise Unreached(problem)

    async def _slots(self, link: Link) -> tuple[str, Sequence[Any]]:
        """A node's host, and what it says of the Cluster. Raises `Unreached`."""
        [slots] = await link.run([("CLUSTER", "SLOTS")])
        if isinstance(slots, ResponseError):
            raise Unreached(f"{link.name}: {_text(slots)}")
        return link.host, slots

    def _routed(self, asked: str, slots: Iterable[Any]) -> list[Link]:
        """Each shard's link. Notes all nodes that the Cluster has now, replicas too. Raises
        `Unreached`."""
        masters: list[tuple[int, int, Link]] = []
        there: set[Link] = set()
        for first, last, *nodes in slots:
            # A node that does not know its own name leaves it out: it is the one that was asked.
            links = [self._link((node[0] or b"").decode() or asked, node[1]) for node in nodes]
            masters.append((first, last, links[0]))
            there.update(links)
        routes = []
        for shard in range(self._shards):
            slot = key_slot(key(shard, "").encode())
            found = [link for first, last, link in masters if first <= slot <= last]
            if not found:
                raise Unreached(f"the Cluster has no master for slot {slot}")
            routes.append(found[0])
        self._nodes = there
        return routes

    async def _forget(self) -> None:
        """Close what is no master. The addresses of the Cluster's nodes and those of the settings are
        kept, to ask them when the others are gone; nodes come and go, and all that ever were are not."""
        kept = set(self._address.hosts)
        for node, link in list(self._links.items()):
            if link not in self._routes:
                await link.close()
            if link not in self._nodes and node not in kept:
                del self._links[node]

    def _link(self, host: str, port: int) -> Link:
        if (host, port) not in self._links:
            self._links[host, port] = Link(host, port, self._address, self._password, self._timeout)
        return self._links[host, port]


_AGAIN: Final = (NoScriptError, MovedError)
"""Answers after which a call is sent again: it has not been run."""


_ELSEWHERE: Final = (MovedError, ReadOnlyError, ClusterDownError)
"""Answers of a server that may not be a shard's any more."""


def _text(error: Exception) -> str:
    """The engine's own words, without what a script's traceback adds."""
    said = str(error).partition(" script: ")[0].strip().rstrip(".")
    return f"{type(error).__name__}: {said[:200]}"
