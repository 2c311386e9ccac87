"""Tokens from files, changed under a running exporter, and the brake on guessing them."""

import os
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.errors import ConfigError, TooManyRequests, Unauthorized
from exporter.problem import CHALLENGE
from exporter.tokens import Authenticator, Tokens

FIRST, SECOND, THIRD = "first-token-0123456789", "second-token-012345678", "third-token-0123456789"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    # Two writes within a tick of the file system's clock look alike.
    stamp = next(_STAMPS)
    os.utime(path, ns=(stamp, stamp))
    return path


_STAMPS = count(10**18, 1_000_000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def test_every_token_of_the_file_is_accepted_and_no_other(path: Path, clock: Clock) -> None:
    tokens = Tokens(write(path, f"# senders\n\n{FIRST}\n  {SECOND}  \r\n"), clock)
    assert tokens.accepts(FIRST.encode())
    assert tokens.accepts(SECOND.encode())
    for wrong in (b"", FIRST[:-1].encode(), f"{FIRST}x".encode(), b"# senders", b"\xff" * 9):
        assert not tokens.accepts(wrong)


def test_tokens_are_compared_in_constant_time(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails with `in` or `any`: every digest is compared, whichever the first match is."""
    tokens = Tokens(write(path, f"{FIRST}\n{SECOND}\n{THIRD}\n"), clock)
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("exporter.tokens.hmac.compare_digest", compare)
    assert tokens.accepts(FIRST.encode())
    assert compared == [(32, 32)] * 3


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("", ["{path}: there is no token in it"]),
        ("# only this\n", ["{path}: there is no token in it"]),
        (
            f"{FIRST}\nsecret\n",
            ["{path}:2: a token of 6 characters; at least 16 are needed"],
        ),
        (
            f"{FIRST} {SECOND}\n",
            ["{path}:1: a token is one word of printable ASCII characters"],
        ),
        (
            "short\n\nalso-short\n",
            [
                "{path}:1: a token of 5 characters; at least 16 are needed",
                "{path}:3: a token of 10 characters; at least 16 are needed",
            ],
        ),
    ],
)
def test_a_wrong_file_is_a_mistake_that_names_the_line_and_no_token(
    path: Path, clock: Clock, text: str, mistakes: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        Tokens(write(path, text), clock)
    assert list(caught.value.mistakes) == [line.format(path=path) for line in mistakes]
    for word in text.split():
        assert len(word) < 4 or word == "only" or word not in str(caught.value)


def test_a_missing_file_and_one_that_is_no_text_are_mistakes(path: Path, clock: Clock) -> None:
    with pytest.raises(ConfigError, match=r"tokens: No such file or directory$"):
        Tokens(path, clock)
    path.write_bytes(b"\xff\xfe" * 20)
    with pytest.raises(ConfigError, match=r"tokens: not UTF-8 text$"):
        Tokens(path, clock)


def test_a_file_open_to_others_is_warned_of(path: Path, clock: Clock) -> None:
    write(path, FIRST).chmod(0o640)
    with capture_logs() as lines:
        Tokens(path, clock)
    assert [(line["log_level"], line["mode"]) for line in lines] == [("warning", "0640")]
    path.chmod(0o600)
    with capture_logs() as lines:
        Tokens(path, clock)
    assert not lines


def test_tokens_rotate_without_a_restart(path: Path, clock: Clock) -> None:
    """Fails without `_refresh`."""
    tokens = Tokens(write(path, FIRST), clock)
    write(path, f"{FIRST}\n{SECOND}")
    clock.now += 0.9
    assert not tokens.accepts(SECOND.encode())
    clock.now += 0.2
    assert tokens.accepts(SECOND.encode())
    write(path, SECOND)
    clock.now += 1
    assert not tokens.accepts(FIRST.encode())


def test_a_rename_over_the_file_is_a_rotation(path: Path, clock: Clock) -> None:
    tokens = Tokens(write(path, FIRST), clock)
    before = path.stat()
    other = write(path.with_name("next"), SECOND)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)
    clock.now += 1
    assert tokens.accepts(SECOND.encode())


@pytest.mark.parametrize("text", [None, "", "short\n"])
def test_a_broken_new_version_keeps_the_tokens_and_is_logged_once(
    path: Path, clock: Clock, text: str | None
) -> None:
    """Fails when `_refresh` lets the error through, or clears the tokens first."""
    tokens = Tokens(write(path, FIRST), clock)
    if text is None:
        path.unlink()
    else:
        write(path, text)
    with capture_logs() as lines:
        for _ in range(5):
            clock.now += 1
            assert tokens.accepts(FIRST.encode())
    assert [line["log_level"] for line in lines] == ["error"]
    write(path, SECOND)
    clock.now += 1
    assert tokens.accepts(SECOND.encode())


# --- authentication -------------------------------------------------------------------------------


def test_without_tokens_everything_passes(clock: Clock) -> None:
    Authenticator(None, clock).check(None, "192.0.2.1")


@pytest.fixture
def authenticator(path: Path, clock: Clock) -> Authenticator:
    return Authenticator(Tokens(write(path, FIRST), clock), clock)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_has_no_case(authenticator: Authenticator, scheme: str) -> None:
    authenticator.check(f"{scheme} {FIRST}".encode(), "192.0.2.1")


@pytest.mark.parametrize(
    "value", [None, b"", b"Bearer", b"Bearer ", b"Basic Zmlyc3Q=", FIRST.encode(), b"Bearer wrong"]
)
def test_anything_else_is_unauthorized(authenticator: Authenticator, value: bytes | None) -> None:
    with pytest.raises(Unauthorized):
        authenticator.check(value, "192.0.2.1")


def test_flood_of_wrong_tokens_is_401_then_429_and_valid_tokens_pass(
    authenticator: Authenticator,
) -> None:
    """Row 21. Fails without the limit, and when the limit is checked before the tokens."""
    seen: list[object] = []
    for _ in range(20):
        try:
            authenticator.check(b"Bearer guess", "192.0.2.1")
        except (Unauthorized, TooManyRequests) as error:
            seen.append((type(error), error.retry_after))
        authenticator.check(f"Bearer {FIRST}".encode(), "192.0.2.1")
    assert seen == [(Unauthorized, None)] * 10 + [(TooManyRequests, 1)] * 10
    with pytest.raises(Unauthorized):
        authenticator.check(b"Bearer guess", "192.0.2.2")


def test_wrong_tokens_of_an_ipv6_network_are_limited_together(authenticator: Authenticator) -> None:
    for number in range(10):
        with pytest.raises(Unauthorized):
            authenticator.check(b"Bearer guess", f"2001:db8::{number}")
    with pytest.raises(TooManyRequests, match="too many wrong tokens from this address"):
        authenticator.check(b"Bearer guess", "2001:db8::a")


def test_the_challenge_names_the_scheme() -> None:
    assert CHALLENGE[0] == b"www-authenticate"
    assert CHALLENGE[1].startswith(b"Bearer ")


@given(st.binary() | st.binary().map(b"Bearer ".__add__))
def test_any_header_without_a_token_is_unauthorized(value: bytes) -> None:
    authenticator = Authenticator(_Deaf(), Clock())
    with pytest.raises(Unauthorized):
        authenticator.check(value, "192.0.2.1")


class _Deaf(Tokens):
    """Knows no token and reads no file: does not test digests or files."""

    def __init__(self) -> None:
        pass

    def accepts(self, token: bytes) -> bool:
        return False
