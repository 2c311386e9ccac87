"""The discovery of a Cluster's masters, with nodes that answer only CLUSTER SLOTS."""

import asyncio
from collections import Counter

from exporter.ledger.redis.plan import Plan
from exporter.ledger.redis.topology import Topology
from exporter.settings.ledger_address import Address

Node = tuple[str, int]


def slots(nodes: list[Node]) -> bytes:
    """One range of all slots: a master and its replicas."""
    rows = "".join(f"*2\r\n${len(host)}\r\n{host}\r\n:{port}\r\n" for host, port in nodes)
    return f"*1\r\n*{2 + len(nodes)}\r\n:0\r\n:16383\r\n{rows}".encode()


async def test_nodes_that_left_the_cluster_are_forgotten() -> None:
    """Fails when all former nodes of a Cluster are asked too: nodes in Kubernetes change their addresses."""
    asked: Counter[Node] = Counter()
    members: list[Node] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        node = writer.get_extra_info("sockname")[:2]
        while await reader.read(4096):
            asked[node] += 1
            writer.write(slots(members))
        writer.close()

    hosts = [f"127.0.2.{number}" for number in range(1, 5)]
    async with await asyncio.start_server(answer, hosts, 0) as server:
        configured, *others = sorted(socket.getsockname() for socket in server.sockets)
        topology = Topology(Plan(Address((configured,), cluster=True), shards=2))
        for left in others:
            members[:] = [configured, left]
            topology.forget()
            [master, same] = await topology.masters()
            assert master is same
            assert master.name == f"{configured[0]}:{configured[1]}"
        # A former node is asked once more, in the round that shows that it has left.
        assert asked[others[0]] <= 1
        assert asked[others[-1]] == 0
        assert asked[configured] >= 1
        await topology.close()
