"""Which server holds each shard."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.cluster import parse_cluster_slots
from redis.crc import key_slot
from redis.exceptions import ResponseError

from exporter.ledger.redis.connection import CallFailed, ServerConnection
from exporter.ledger.redis.plan import Plan

_Node = tuple[str, int]
_Slots = dict[tuple[int, int], dict[str, Any]]


def key(shard: int, name: str) -> str:
    """A key of a shard. The part in braces selects a Cluster's slot: a shard is on one server."""
    return f"{{{shard}}}:{name}"


def described(error: Exception) -> str:
    """The error of a server, without the traceback of a script."""
    text = str(error).partition(" script: ")[0].strip().rstrip(".")
    return f"{type(error).__name__}: {text[:200]}"


class Topology:
    """Connections to one server, or to the masters of a Cluster. Used by one task at a time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._connections: dict[_Node, ServerConnection] = {}
        self._masters: list[ServerConnection] = []
        self._nodes: set[_Node] = set()

    async def masters(self) -> list[ServerConnection]:
        """The master of each shard, by shard. Raises `CallFailed`."""
        address = self._plan.address
        if not self._masters and address.cluster:
            await self._discover()
        elif not self._masters:
            await self._connect([address.hosts[0]] * self._plan.shards)
        return self._masters

    def forget(self) -> None:
        """Forget the masters, after a failure or a moved shard: `masters` then asks the Cluster again."""
        self._masters = []

    async def close(self) -> None:
        await self._connect([])

    async def _discover(self) -> None:
        problem = CallFailed("the Cluster has no node")
        # All at once: one after the other, each silent node would take a whole timeout.
        nodes = self._nodes.union(self._plan.address.hosts)
        tasks = [asyncio.create_task(self._slots(node)) for node in nodes]
        try:
            for answer in asyncio.as_completed(tasks):
                try:
                    slots = await answer
                    shards = range(self._plan.shards)
                    await self._connect([_master(slots, shard) for shard in shards])
                except CallFailed as error:
                    problem = error
                else:
                    # Redis replicas too, to ask them when masters are gone. Nodes that left are forgotten.
                    rows = slots.values()
                    self._nodes = {
                        node for row in rows for node in (row["primary"], *row["replicas"])
                    }
                    return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        raise problem

    async def _slots(self, node: _Node) -> _Slots:
        """The slots as one node sees them. Raises `CallFailed`."""
        connection = ServerConnection(*node, self._plan)
        try:
            [reply] = await connection.run([("CLUSTER", "SLOTS")])
        finally:
            await connection.close()
        if isinstance(reply, ResponseError):
            raise CallFailed(f"{connection.name}: {described(reply)}")
        # A node that does not know its own name leaves it out.
        return parse_cluster_slots(reply, current_host=connection.host)

    async def _connect(self, masters: Sequence[_Node]) -> None:
        """Keep connections to these nodes only."""
        previous, self._connections = self._connections, {}
        for node in masters:
            connection = previous.pop(node, None) or self._connections.get(node)
            self._connections[node] = connection or ServerConnection(*node, self._plan)
        self._masters = [self._connections[node] for node in masters]
        for connection in previous.values():
            await connection.close()


def _master(slots: _Slots, shard: int) -> Any:
    """The node of a shard. Raises `CallFailed` when the shard has no master."""
    slot = key_slot(key(shard, "").encode())
    for (first, last), row in slots.items():
        if first <= slot <= last:
            return row["primary"]
    raise CallFailed(f"the Cluster has no master for slot {slot}")
