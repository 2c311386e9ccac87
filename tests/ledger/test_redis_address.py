"""The settings of the shared ledger, and that a password is shown nowhere."""

from pathlib import Path

import pytest

from exporter.errors import ConfigError
from exporter.ledger.redis.connection import Plan
from exporter.settings import load
from exporter.settings.ledger_address import Address, parse, replicas


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
    ("url", "reason"),
    [
        ("cache:6379", "not a URL of the form"),
        ("redis://cache/db", "not a URL of the form"),
        ("redis://cache:99999", "a host that is not HOST or HOST:PORT"),
        ("redis://a,b", "several hosts"),
        ("redis+cluster://a/1", "a database number"),
        ("redis://me:hunter2@cache", "ledger_password_file"),
        ("redis://me:p@ss/hunt@cache", "not a URL of the form"),
        ("redis://cache?password=hunter2", "not a URL of the form"),
    ],
)
def test_refused_url_is_shown_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as error:
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
    plan = Plan(parse("redis://cache"), password_file=file)
    with pytest.raises(ConfigError, match="No such file"):
        plan.password()
    for text, password in (("a b\n", "a b"), ("c", "c"), ("\ufeff#d\r\n", "#d")):
        file.write_text(text, encoding="utf-8", newline="")
        assert plan.password() == password
    for text in ("", "\n", "a\nb\n", "a\rb"):
        file.write_text(text, newline="")
        with pytest.raises(ConfigError, match="a password is one line"):
            plan.password()
    assert Plan(parse("redis://cache")).password() is None
