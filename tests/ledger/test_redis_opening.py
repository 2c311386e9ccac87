"""The settings of the shared ledger; Redis is unreachable, of another kind, or configured to lose counts."""

import re
from pathlib import Path

import pytest

from exporter.errors import ConfigError, LedgerError
from exporter.ledger.redis import connection
from exporter.ledger.redis import ledger as redis_ledger
from exporter.ledger.redis.connection import RedisSettings, misconfigured, parse_info
from exporter.settings import load
from exporter.settings.ledger_address import Address, parse, replicas
from tests.e2e.prometheus_process import free_port
from tests.ledger.batches import batch
from tests.ledger.home import RedisHome, until
from tests.ledger.redis_server import RedisServer

CERTIFICATE = Path(__file__).with_name("loopback.pem")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache", Address((("cache", 6379),))),
        ("redis://me@cache:7000/3", Address((("cache", 7000),), username="me", database=3)),
        ("redis://[::1]:7000", Address((("::1", 7000),))),
        ("rediss+cluster://a,b:7001", Address((("a", 6379), ("b", 7001)), True, True)),
    ],
)
def test_url_is_parsed(url: str, address: Address) -> None:
    assert parse(url) == address
    assert load(ledger=url).ledger == url


@pytest.mark.parametrize(
    "url",
    [
        *("cache:6379", "redis://cache/db", "redis://cache:99999", "redis://a,b"),
        *("redis+cluster://a/1", "redis://me:hunter2@cache", "redis://me:p@ss/hunt@cache"),
        *("redis://cache?password=hunter2", "redis://cache\0"),
    ],
)
def test_refused_url_is_shown_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="ledger_password_file") as error:
        load(ledger=url)
    assert "ledger = " in str(error.value)
    assert "hunt" not in str(error.value)


@pytest.mark.parametrize(("wait", "number"), [("aof", 0), ("replicas:1", 1), ("replicas:12", 12)])
def test_wait_is_parsed(wait: str, number: int) -> None:
    assert replicas(wait) == number
    assert load(ledger="redis://cache", ledger_wait=wait).ledger_wait == wait
    for wrong in ("", "replicas", "replicas:0", "disk"):
        with pytest.raises(ConfigError, match="write aof, or replicas:N"):
            load(ledger="redis://cache", ledger_wait=wrong)


def test_password_file_has_one_line_and_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "password"
    settings = RedisSettings(parse("redis://cache"), password_file=file)
    with pytest.raises(ConfigError, match="No such file"):
        settings.password()
    for text, password in (("a b\n", "a b"), ("c", "c"), ("\ufeff#d\r\n", "#d")):
        file.write_text(text, encoding="utf-8", newline="")
        assert settings.password() == password
    for text in ("", "\n", "a\nb\n", "a\rb"):
        file.write_text(text, newline="")
        with pytest.raises(ConfigError, match="a password is one line"):
            settings.password()
    assert RedisSettings(parse("redis://cache")).password() is None


async def test_misconfiguration_is_reported_at_start_and_later(
    home: RedisHome, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(redis_ledger, "HEALTH_INTERVAL", 0.0)
    monkeypatch.setattr(
        redis_ledger.log, "warning", lambda _, **line: logged.append(line["setting"])
    )
    server.command("CONFIG", "SET", "appendonly", "no")
    ledger = await home.open()
    assert set(ledger.status().misconfigured) == {"appendonly"}
    assert ledger.status().problem is None
    assert ledger.status().size_bytes > 1024**2 / 2
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await until(lambda: "maxmemory_policy" in ledger.status().misconfigured)
    server.command("CONFIG", "SET", "appendonly", "yes")
    await until(lambda: set(ledger.status().misconfigured) == {"maxmemory_policy"})
    assert "Set noeviction." in ledger.status().misconfigured["maxmemory_policy"]
    server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    await until(lambda: not ledger.status().misconfigured)
    assert logged == ["appendonly", "maxmemory_policy"]


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


async def test_ledger_of_another_format_is_refused(home: RedisHome, server: RedisServer) -> None:
    await (await home.open()).close()
    server.command("HSET", "{0}:ledger", "format", "1")
    with pytest.raises(
        LedgerError, match=r"has format 1 and 16 shards, .* this program writes format 2"
    ):
        await home.open()


@pytest.mark.parametrize("value", ["not a record", "1 x 0 0 -"])
@pytest.mark.parametrize("name", ["{3}:series", "{3}:durations"])
async def test_damaged_record_is_refused_with_its_place(
    home: RedisHome, server: RedisServer, name: str, value: str
) -> None:
    """Fails when a start ends with a traceback."""
    ledger = await home.open()
    await ledger.commit(batch(range(100), durations=[1.0] * 100))
    await ledger.close()
    [field] = server.command("HKEYS", name)
    server.command("HSET", name, field, value)
    expected = f"{name} is damaged: its field {field!r} is {value.encode()!r}"
    with pytest.raises(LedgerError, match=re.escape(expected)):
        await home.open()


async def test_single_server_is_not_taken_for_a_cluster(home: RedisHome) -> None:
    home.url = home.url.replace("redis://", "redis+cluster://")
    with pytest.raises(LedgerError, match="cluster support disabled"):
        await home.open(start_timeout=0.1)


async def test_unfit_redis_is_refused(
    home: RedisHome, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_OLDEST", 255)
    with pytest.raises(LedgerError, match=r"The ledger's Redis is [.\d]+: 7\.0 or later is needed"):
        await home.open()


def test_redis_that_became_too_old_is_named() -> None:
    # INFO has paths too, in any encoding.
    fit = parse_info(b"# Server\r\nredis_version:7.2.4\r\nexecutable:/\xff\r\naof_enabled:1\r\n")
    fit["maxmemory_policy"] = "noeviction"
    assert misconfigured([fit]) == {}
    old = misconfigured([fit, {**fit, "redis_version": "6.2.14"}])
    assert old == {"version": "The ledger's Redis is 6.2.14: 7.0 or later is needed, or Valkey."}
