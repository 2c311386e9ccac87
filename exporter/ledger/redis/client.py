"""Script calls by shard: one round trip to each server that holds some of the shards."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from redis.exceptions import ClusterDownError, MovedError, NoScriptError, ReadOnlyError

from exporter.ledger.redis import health
from exporter.ledger.redis.connection import CallFailed, Command, ServerConnection
from exporter.ledger.redis.plan import Plan
from exporter.ledger.redis.topology import Topology, described, key

_ROUNDS: Final = 3
"""Times that a call is sent: at first, after its script was loaded, and to the new master of its shard."""
_NOT_RUN: Final = (NoScriptError, MovedError)
"""The server has not run the call: it is sent again."""
_OTHER_MASTER: Final = (MovedError, ReadOnlyError, ClusterDownError)
"""The server may no longer be the master of a shard."""
_WAIT_SHARE: Final = 0.8
"""Share of the timeout that WAIT and WAITAOF may take, so that their reply comes within the timeout."""
_SCRIPTS: Final = {path.stem: path.read_bytes() for path in Path(__file__).parent.glob("*.lua")}
_SHA1: Final = {
    name: hashlib.sha1(text, usedforsecurity=False).hexdigest() for name, text in _SCRIPTS.items()
}

Call = tuple[int, Command]
"""A shard, and a command to its master."""


def script_call(script: str, shard: int, keys: Sequence[str], arguments: Sequence[Any]) -> Call:
    """A call of a `.lua` file of this folder; `keys` are names within the shard."""
    names = [key(shard, name) for name in keys]
    return shard, ("EVALSHA", _SHA1[script], len(names), *names, *arguments)


class ClusterClient:
    """Calls to one server or to the masters of a Cluster. Used by one task at a time."""

    def __init__(self, plan: Plan) -> None:
        self._topology = Topology(plan)
        self._wait = plan.wait
        milliseconds = int(plan.timeout * _WAIT_SHARE * 1000)
        self._confirm: Command = (
            ("WAIT", plan.wait, milliseconds) if plan.wait else ("WAITAOF", 1, 0, milliseconds)
        )

    async def run(self, calls: Sequence[Call], *, confirmed: bool = False) -> list[Any]:
        """A reply or a `CallFailed` for each call; with `confirmed`, replies mean that `Plan.wait` is met."""
        replies: dict[int, Any] = {}
        pending = dict(enumerate(calls))
        for _ in range(_ROUNDS):
            try:
                masters = await self._topology.masters()
            except CallFailed as error:
                replies |= dict.fromkeys(pending, error)
                break
            groups: dict[ServerConnection, dict[int, Command]] = {}
            for index, (shard, command) in pending.items():
                groups.setdefault(masters[shard], {})[index] = command
            sent = (self._send(server, group, confirmed) for server, group in groups.items())
            for answers in await asyncio.gather(*sent):
                replies |= answers
            again = [index for index in pending if isinstance(replies[index], _NOT_RUN)]
            if not again:
                break
            pending = {index: calls[index] for index in again}
        return [_result(replies[index]) for index in range(len(calls))]

    async def infos(self) -> list[health.Info]:
        """INFO of each master. Raises `CallFailed`."""
        masters = await self._topology.masters()
        shards = {master: shard for shard, master in enumerate(masters)}.values()
        replies = successes(await self.run([(shard, ("INFO",)) for shard in shards]))
        return [health.parse(reply) for reply in replies]

    async def close(self) -> None:
        await self._topology.close()

    async def _send(
        self, server: ServerConnection, commands: dict[int, Command], confirmed: bool
    ) -> dict[int, Any]:
        """The replies of one server, by the keys of `commands`."""
        confirmed = confirmed and self._wait is not None
        try:
            replies = await server.run([*commands.values(), *[self._confirm] * confirmed])
        except CallFailed as error:
            self._topology.forget()
            return dict.fromkeys(commands, error)
        if confirmed and (problem := self._unconfirmed(replies.pop())):
            failed = CallFailed(f"{server.name}: {problem}")
            replies = [reply if isinstance(reply, Exception) else failed for reply in replies]
        if any(isinstance(reply, _OTHER_MASTER) for reply in replies):
            self._topology.forget()
        if any(isinstance(reply, ReadOnlyError) for reply in replies):
            # The same host name may lead to another server by now.
            await server.close()
        if any(isinstance(reply, NoScriptError) for reply in replies):
            try:
                await server.run([("SCRIPT", "LOAD", text) for text in _SCRIPTS.values()])
            except CallFailed:
                self._topology.forget()
        return dict(zip(commands, replies, strict=True))

    def _unconfirmed(self, reply: Any) -> str | None:
        """Why a reply to WAIT or WAITAOF does not confirm the writes; None if it does."""
        if isinstance(reply, Exception):
            return f"can't confirm a write: {described(reply)}"
        if self._wait:
            missing = reply < self._wait
            return f"{reply} of {self._wait} replicas confirmed a write" if missing else None
        return None if reply[0] else "the append-only file did not confirm a write"


def successes(replies: list[Any]) -> list[Any]:
    """The replies. Raises the first `CallFailed` among them."""
    for reply in replies:
        if isinstance(reply, CallFailed):
            raise reply
    return replies


def _result(reply: Any) -> Any:
    """A reply, with a server's error as a `CallFailed`."""
    if isinstance(reply, Exception) and not isinstance(reply, CallFailed):
        return CallFailed(described(reply))
    return reply
