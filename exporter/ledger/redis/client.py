"""Script calls by shard: one round trip to each server that holds some of the shards."""

import asyncio
import hashlib
import random
from collections.abc import Sequence
from typing import Any, Final

from redis.cluster import parse_cluster_slots
from redis.crc import key_slot
from redis.exceptions import (
    ClusterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    ResponseError,
)

from exporter.ledger.redis.connection import (
    SCRIPTS,
    CallFailed,
    Command,
    Info,
    RedisSettings,
    ServerConnection,
    parse_info,
)

_OTHER_SERVER: Final = (MovedError, ReadOnlyError, ClusterDownError, NoScriptError)
"""The server may no longer be the master of a shard, or has lost its scripts."""
_WAIT_SHARE: Final = 0.8
"""Share of the timeout that WAIT and WAITAOF may take, so that their reply comes within the timeout."""
_SHA1: Final = {
    name: hashlib.sha1(text, usedforsecurity=False).hexdigest() for name, text in SCRIPTS.items()
}

Call = tuple[int, Command]
"""A shard, and a command to its master."""
_Node = tuple[str, int]
_Slots = dict[tuple[int, int], dict[str, Any]]


def key(shard: int, name: str) -> str:
    """A key of a shard. The part in braces selects a Cluster's slot: a shard is on one server."""
    return f"{{{shard}}}:{name}"


def script_call(script: str, shard: int, keys: Sequence[str], arguments: Sequence[Any]) -> Call:
    """A call of a `.lua` file of this folder; `keys` are names within the shard."""
    names = [key(shard, name) for name in keys]
    return shard, ("EVALSHA", _SHA1[script], len(names), *names, *arguments)


class ClusterClient:
    """Calls to one server or to the masters of a Cluster. Used by one task at a time."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings, self._wait = settings, settings.wait
        self._connections: dict[_Node, ServerConnection] = {}
        # The master of each shard; empty when unknown, so that the next call asks the Cluster.
        self._masters: list[ServerConnection] = []
        milliseconds = int(settings.timeout * _WAIT_SHARE * 1000)
        self._confirm: Command = (
            ("WAIT", self._wait, milliseconds) if self._wait else ("WAITAOF", 1, 0, milliseconds)
        )

    async def run(self, calls: Sequence[Call], *, confirmed: bool = False) -> list[Any]:
        """A reply or a `CallFailed` for each call; with `confirmed`, replies mean that `wait` is met."""
        try:
            masters = await self.masters()
        except CallFailed as error:
            return [error] * len(calls)
        groups: dict[ServerConnection, dict[int, Command]] = {}
        for index, (shard, command) in enumerate(calls):
            groups.setdefault(masters[shard], {})[index] = command
        sent = (self._send(server, group, confirmed) for server, group in groups.items())
        replies: dict[int, Any] = {}
        for answers in await asyncio.gather(*sent):
            replies |= answers
        return [
            CallFailed(_described(reply)) if isinstance(reply, ResponseError) else reply
            for _, reply in sorted(replies.items())
        ]

    async def infos(self) -> list[Info]:
        """INFO of each master. Raises `CallFailed`."""
        masters = await self.masters()
        shards = {master: shard for shard, master in enumerate(masters)}.values()
        replies = successes(await self.run([(shard, ("INFO",)) for shard in shards]))
        return [parse_info(reply) for reply in replies]

    async def close(self) -> None:
        await self._connect([])

    async def masters(self) -> list[ServerConnection]:
        """The master of each shard, by shard. Raises `CallFailed`."""
        address = self._settings.address
        if not self._masters and address.cluster:
            await self._discover()
        elif not self._masters:
            await self._connect([address.hosts[0]] * self._settings.shards)
        return self._masters

    async def _send(
        self, server: ServerConnection, commands: dict[int, Command], confirmed: bool
    ) -> dict[int, Any]:
        """The replies of one server, by the keys of `commands`."""
        confirmed = confirmed and self._wait is not None
        try:
            replies = await server.run([*commands.values(), *[self._confirm] * confirmed])
        except CallFailed as error:
            self._masters = []
            return dict.fromkeys(commands, error)
        if confirmed and (problem := self._unconfirmed(replies.pop())):
            failed = CallFailed(f"{server.name}: {problem}")
            replies = [reply if isinstance(reply, Exception) else failed for reply in replies]
        if any(isinstance(reply, _OTHER_SERVER) for reply in replies):
            self._masters = []
            # The same host name may lead to another server by now.
            await server.close()
        return dict(zip(commands, replies, strict=True))

    def _unconfirmed(self, reply: Any) -> str | None:
        """Why a reply to WAIT or WAITAOF does not confirm the writes; None if it does."""
        if isinstance(reply, Exception):
            return f"can't confirm a write: {_described(reply)}"
        if self._wait:
            missing = reply < self._wait
            return f"{reply} of {self._wait} replicas confirmed a write" if missing else None
        return None if reply[0] else "the append-only file did not confirm a write"

    async def _discover(self) -> None:
        problem = CallFailed("the Cluster has no node")
        nodes, shards = {*self._connections, *self._settings.address.hosts}, self._settings.shards
        # In random order: a node that lost contact to the others still answers, and names former masters.
        for node in random.sample(sorted(nodes), len(nodes)):
            try:
                slots = await self._slots(node)
                return await self._connect([_master(slots, shard) for shard in range(shards)])
            except CallFailed as error:
                problem = error
        raise problem

    async def _slots(self, node: _Node) -> _Slots:
        """The slots as one node sees them. Raises `CallFailed`."""
        connection = ServerConnection(*node, self._settings)
        try:
            [reply] = await connection.run([("CLUSTER", "SLOTS")])
        finally:
            await connection.close()
        if isinstance(reply, ResponseError):
            raise CallFailed(f"{connection.name}: {_described(reply)}")
        # A node that does not know its own name leaves it out.
        return parse_cluster_slots(reply, current_host=connection.host)

    async def _connect(self, masters: Sequence[_Node]) -> None:
        """Keep connections to these nodes only."""
        previous, self._connections = self._connections, {}
        for node in masters:
            connection = previous.pop(node, None) or self._connections.get(node)
            self._connections[node] = connection or ServerConnection(*node, self._settings)
        self._masters = [self._connections[node] for node in masters]
        for connection in previous.values():
            await connection.close()


def successes(replies: list[Any]) -> list[Any]:
    """The replies. Raises the first `CallFailed` among them."""
    for reply in replies:
        if isinstance(reply, CallFailed):
            raise reply
    return replies


def _master(slots: _Slots, shard: int) -> Any:
    """The node of a shard. Raises `CallFailed` when the shard has no master."""
    slot = key_slot(key(shard, "").encode())
    for (first, last), row in slots.items():
        if first <= slot <= last:
            return row["primary"]
    raise CallFailed(f"the Cluster has no master for slot {slot}")


def _described(error: Exception) -> str:
    """The error of a server, without the traceback of a script."""
    text = str(error).partition(" script: ")[0].rstrip(".")
    return f"{type(error).__name__}: {text[:200]}"
