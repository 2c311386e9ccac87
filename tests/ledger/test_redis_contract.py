"""The shared ledger keeps the contract: on Redis, on Valkey, on a Cluster of masters and replicas."""

import pytest

from tests.ledger.contract import LedgerContract
from tests.ledger.redis_home import RedisHome
from tests.ledger.redis_server import RedisCluster, RedisServer, ValkeyServer


class TestRedisLedger(LedgerContract):
    @pytest.fixture
    def home(self, redis_server: RedisServer) -> RedisHome:
        redis_server.command("FLUSHALL")
        return RedisHome(redis_server.url)


class TestValkeyLedger(LedgerContract):
    @pytest.fixture
    def home(self, valkey_server: ValkeyServer) -> RedisHome:
        valkey_server.command("FLUSHALL")
        return RedisHome(valkey_server.url)


class TestClusterLedger(LedgerContract):
    @pytest.fixture
    def home(self, redis_cluster: RedisCluster) -> RedisHome:
        redis_cluster.empty()
        return RedisHome(redis_cluster.url)
