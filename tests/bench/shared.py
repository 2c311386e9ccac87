"""The shared ledger: events per second over a Redis on this machine, and of replicas over a Cluster."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from tests.bench.load import posted
from tests.bench.setup import Setup
from tests.bench.turns import Open, Sample
from tests.bench.wrk import fill
from tests.ledger.redis_server import RedisCluster, RedisServer


def over_redis(script: str, connections: int) -> Open:
    """Events per second of one exporter, with `appendfsync everysec` as Redis comes."""

    @contextmanager
    def opened(setup: Setup) -> Iterator[Callable[[], Sample]]:
        with (
            RedisServer(setup.new_folder() / "redis") as server,
            setup.exporter({"ledger": server.url}) as exporter,
        ):
            stores = [server.pid]
            fill(exporter, 1, script)
            yield partial(posted, [exporter], script, connections, setup.seconds, stores)

    return opened


def replicas(number: int) -> Open:
    """Events per second of batches to `number` exporters over a Cluster of 3 masters and 3 replicas."""

    @contextmanager
    def opened(setup: Setup) -> Iterator[Callable[[], Sample]]:
        with RedisCluster(setup.new_folder()) as cluster, ExitStack() as stack:
            exporters = [
                stack.enter_context(setup.exporter({"ledger": cluster.url})) for _ in range(number)
            ]
            stores = [node.pid for node in cluster.nodes]
            yield partial(posted, exporters, "batch.lua", 8, setup.seconds, stores)

    return opened
