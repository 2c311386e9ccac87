"""Which server holds each shard: learnt when it is not known, forgotten when it may have changed."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from redis.crc import key_slot
from redis.exceptions import ResponseError

from exporter.ledger.redis.address import Address
from exporter.ledger.redis.link import Link, Unreached


def key(shard: int, name: str) -> str:
    """A key of a shard. What is in braces decides a Cluster's slot: a shard is on one server."""
    return f"{{{shard}}}:{name}"


def words(error: Exception) -> str:
    """The engine's own words, without what a script's traceback adds."""
    said = str(error).partition(" script: ")[0].strip().rstrip(".")
    return f"{type(error).__name__}: {said[:200]}"


class Routes:
    """Links to one server, or to the masters of a Cluster, by shard. Used by one task at a time.

    `password` is read at each connection, so that it may be changed in its file.
    """

    def __init__(
        self, address: Address, password: Callable[[], str | None], timeout: float, shards: int
    ) -> None:
        self._address, self._password, self._timeout = address, password, timeout
        self._shards = shards
        self._links: dict[tuple[str, int], Link] = {}
        self._masters: list[Link] = []
        self._nodes: set[Link] = set()

    def of(self, shard: int) -> Link:
        """The link to a shard's server, once `learn` has found it."""
        return self._masters[shard]

    def servers(self) -> list[Link]:
        """Each server that holds a shard, once."""
        return list(dict.fromkeys(self._masters))

    def doubt(self) -> None:
        """A server was not there, or not the shard's: `learn` has to ask again."""
        self._masters = []

    async def close(self) -> None:
        for link in self._links.values():
            await link.close()
        self._links, self._masters = {}, []

    async def learn(self) -> None:
        """Find out which server holds each shard, unless known. Raises `Unreached`."""
        if self._masters:
            return
        if not self._address.cluster:
            self._masters = [self._link(*self._address.hosts[0])] * self._shards
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
                        self._masters = self._routed(*task.result())
                    except Unreached as error:
                        problem = str(error)
                if self._masters:
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
            raise Unreached(f"{link.name}: {words(slots)}")
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
            if link not in self._masters:
                await link.close()
            if link not in self._nodes and node not in kept:
                del self._links[node]

    def _link(self, host: str, port: int) -> Link:
        if (host, port) not in self._links:
            self._links[host, port] = Link(host, port, self._address, self._password, self._timeout)
        return self._links[host, port]
