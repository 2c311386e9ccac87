"""Opening the shared ledger: Redis is unreachable, of another kind, or configured to lose counts."""

import re
from pathlib import Path

import pytest

from exporter.errors import LedgerError
from exporter.ledger.redis import ledger as redis_ledger
from exporter.ledger.redis.connection import Plan
from exporter.ledger.redis.health import check
from exporter.settings.ledger_address import parse
from tests.e2e.prometheus_process import free_port
from tests.ledger.batches import batch
from tests.ledger.home import RedisHome, until
from tests.ledger.redis_server import RedisServer

CERTIFICATE = Path(__file__).with_name("loopback.pem")


async def test_misconfiguration_is_reported_at_start_and_later(
    home: RedisHome, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_ledger, "HEALTH_INTERVAL", 0.0)
    server.command("CONFIG", "SET", "appendonly", "no")
    ledger = await home.open()
    assert set(ledger.status().misconfigured) == {"appendonly"}
    assert ledger.status().problem is None
    assert ledger.status().size_bytes > 1024**2 / 2
    server.command("CONFIG", "SET", "appendonly", "yes")
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await until(lambda: set(ledger.status().misconfigured) == {"maxmemory_policy"})
    assert "Set noeviction." in ledger.status().misconfigured["maxmemory_policy"]
    server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    await until(lambda: not ledger.status().misconfigured)


async def test_tls_certificate_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port, file = free_port(), str(CERTIFICATE)
    options = (
        *("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", file),
        *("--tls-cert-file", file, "--tls-key-file", file),
    )
    with RedisServer(tmp_path / "tls", *options):
        home = RedisHome(f"rediss://127.0.0.1:{port}")
        with pytest.raises(LedgerError, match="CERTIFICATE_VERIFY_FAILED"):
            await home.open(start_timeout=0.1)
        monkeypatch.setenv("SSL_CERT_FILE", file)
        ledger = await home.open()
        assert (await ledger.commit(batch([1]))).accepted == 1


async def test_password_is_read_from_its_file_and_never_shown(
    home: RedisHome, server: RedisServer, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    with pytest.raises(LedgerError, match="can't be reached") as error:
        await home.open(start_timeout=0.1, password_file=file)
    assert "hunter2" not in str(error.value)
    server.command("CONFIG", "SET", "requirepass", "hunter2")
    try:
        named = RedisHome(server.url.replace("//", "//default@"))
        for opened in (home, named):
            ledger = await opened.open(password_file=file)
            assert (await ledger.commit(batch([1], unkeyed=1))).accepted
            await ledger.close()
        with pytest.raises(LedgerError, match="uthentication"):
            await home.open(start_timeout=0.1)
    finally:
        server.password = "hunter2"
        server.command("CONFIG", "SET", "requirepass", "")
        server.password = None


async def test_single_server_is_not_taken_for_a_cluster(home: RedisHome) -> None:
    home.url = home.url.replace("redis://", "redis+cluster://")
    with pytest.raises(LedgerError, match="cluster support disabled"):
        await home.open(start_timeout=0.1)


@pytest.mark.parametrize(
    ("info", "error"),
    [
        ({"redis_version": "6.2.14"}, "needs Redis 7.0 or later, or Valkey; this is 6.2.14"),
        ({"redis_version": "7.0.15"}, "'aof' needs Redis 7.2 or later, or Valkey; this is 7.0.15"),
        ({"cluster_enabled": "1"}, "cache:6379 is a node of a Cluster; its scheme is redis+clus"),
    ],
)
def test_unfit_redis_is_refused(info: dict[str, str], error: str) -> None:
    """Fails if a Cluster's node is accepted as a single server: it would refuse most shards permanently."""
    plan = Plan(parse("redis://cache"), wait=0)
    with pytest.raises(LedgerError, match=re.escape(error)):
        check([{"redis_version": "7.2.4", **info}], plan)
    check([{"redis_version": "7.2.4"}], plan)
