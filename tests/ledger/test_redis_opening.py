"""How the shared ledger is joined: an engine that is away, alone, strange, or set up wrong."""

import time
from pathlib import Path

import pytest

from exporter.errors import ConfigError, LedgerError
from exporter.ledger.contract import DUPLICATE, Family
from exporter.ledger.redis.address import parse
from exporter.ledger.redis.ledger import RedisLedger
from exporter.ledger.redis.plan import Plan
from tests.e2e.prometheus_process import free_port
from tests.ledger.batches import batch, series
from tests.ledger.redis_home import RedisHome
from tests.ledger.redis_server import RedisServer
from tests.ledger.shown import total
from tests.ledger.waiting import until

CERTIFICATE = Path(__file__).with_name("loopback.pem")


@pytest.fixture
def home(server: RedisServer) -> RedisHome:
    return RedisHome(server.url)


async def test_an_engine_that_may_lose_counts_is_said(home: RedisHome, server: RedisServer) -> None:
    server.command("CONFIG", "SET", "appendonly", "no")
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    ledger = await home.open()
    wrong = ledger.status().misconfigured
    assert set(wrong) == {"appendonly", "maxmemory_policy"}
    assert "Set noeviction." in wrong["maxmemory_policy"]
    assert ledger.status().problem is None
    await ledger.close()
    server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.command("CONFIG", "SET", "appendonly", "yes")
    ledger = await home.open()
    assert not ledger.status().misconfigured
    assert ledger.status().size_bytes > 1024**2 / 2
    await ledger.close()


async def test_an_engine_that_is_set_up_worse_later_is_noticed(
    home: RedisHome, server: RedisServer
) -> None:
    ledger = await home.open()
    assert not ledger.status().misconfigured
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    ledger._check_at = 0.0  # the minute is over
    await until(lambda: set(ledger.status().misconfigured) == {"maxmemory_policy"})
    await ledger.close()


async def test_tls_is_spoken_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    options = ("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file")
    files = (str(CERTIFICATE), "--tls-cert-file", str(CERTIFICATE))
    with RedisServer(tmp_path / "tls", *options, *files, "--tls-key-file", str(CERTIFICATE)):
        home = RedisHome(f"rediss://127.0.0.1:{port}")
        with pytest.raises(LedgerError, match="CERTIFICATE_VERIFY_FAILED"):
            await home.open(patience=0.1)
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        ledger = await home.open()
        assert (await ledger.commit(batch([1]))).accepted == 1
        await ledger.close()


async def test_an_engine_that_is_not_there_is_said_without_its_password(
    home: RedisHome, server: RedisServer, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    with pytest.raises(LedgerError, match="can't be reached") as error:
        await home.open(patience=0.1, password_file=file)
    assert "hunter2" not in str(error.value)
    server.command("CONFIG", "SET", "requirepass", "hunter2")
    try:
        ledger = await home.open(password_file=file)
        assert (await ledger.commit(batch([1]))).accepted == 1
        await ledger.close()
        with pytest.raises(LedgerError, match="uthentication"):
            await home.open(patience=0.1)
    finally:
        server.password = "hunter2"
        server.command("CONFIG", "SET", "requirepass", "")
        server.password = None
    file.write_text("two\nlines\n")
    with pytest.raises(ConfigError, match="a password is one line"):
        await home.open(password_file=file)


async def test_a_server_alone_is_no_cluster(home: RedisHome) -> None:
    home.url = home.url.replace("redis://", "redis+cluster://")
    with pytest.raises(LedgerError, match="cluster support disabled"):
        await home.open(patience=0.1)


async def test_what_waits_for_the_file_says_which_engine_can(
    home: RedisHome, server: RedisServer
) -> None:
    version = server.command("INFO", "server")["redis_version"]
    if version < "7.2":
        with pytest.raises(LedgerError, match=r"needs Redis 7\.2 or later"):
            await home.open(wait=0)
    else:
        ledger = await home.open(wait=0)
        assert (await ledger.commit(batch([1]))).accepted == 1
        await ledger.close()


async def test_without_a_clock_of_its_own_the_engine_tells_the_time(server: RedisServer) -> None:
    ledger = await RedisLedger.open(Plan(parse(server.url), first_seen_delay=75.0))
    await ledger.commit(batch([1]))
    await ledger.commit(batch([2, 2]))
    assert total(ledger).delayed
    assert abs(ledger._member.now() - time.time()) < 2
    await ledger.close()


async def test_a_families_events_are_told_apart_in_the_store(home: RedisHome) -> None:
    ledger = await home.open()
    for family in Family:
        await ledger.commit(batch([1], of=series(family=family), unkeyed=1))
    assert {one.value for one in ledger.totals().series} == {1, 2}
    assert (await ledger.commit(batch([1]))).verdicts == bytes([DUPLICATE])
    await ledger.close()
