"""The shared ledger keeps the contract on Redis and on Valkey; `test_redis_cluster` has the third class."""

import pytest

from tests.ledger.contract import LedgerContract
from tests.ledger.redis_home import RedisHome
from tests.ledger.redis_server import RedisServer, ValkeyServer


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
