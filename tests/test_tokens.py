"""Tokens from files, and the limit on guesses."""

from pathlib import Path

import pytest

from exporter.errors import ConfigError, TooManyRequests, Unauthorized
from exporter.tokens import Authenticator, read_tokens
from tests.clock import Clock
from tests.commands.running import write

FIRST, SECOND, THIRD = "first-token-0123456789", "second-token-012345678", "third-token-0123456789"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def test_tokens_of_the_file_are_accepted_and_no_others(path: Path) -> None:
    tokens = Authenticator(write(path, f"# senders\n\n{FIRST}\n  {SECOND}  \r\n"))
    assert tokens.accepts(FIRST.encode())
    assert tokens.accepts(SECOND.encode())
    for wrong in (b"", FIRST[:-1].encode(), f"{FIRST}x".encode(), b"# senders", b"\xff" * 9):
        assert not tokens.accepts(wrong)


def test_tokens_are_compared_in_constant_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails with `in` or `any`: every digest is compared, also after a match."""
    tokens = Authenticator(write(path, f"{FIRST}\n{SECOND}\n{THIRD}\n"))
    compared: list[tuple[int, int]] = []

    def compare(given: bytes, digest: bytes) -> bool:
        compared.append((len(given), len(digest)))
        return given == digest

    monkeypatch.setattr("exporter.tokens.hmac.compare_digest", compare)
    assert tokens.accepts(FIRST.encode())
    assert compared == [(32, 32)] * 3


@pytest.mark.parametrize(
    ("content", "mistakes"),
    [
        (b"# only this\n", [": the file has no token: write one token per line"]),
        (
            b"short\n\nfirst-token second-token\nwith-a-delete\x7fcharacter\n",
            [
                ":1: the token has 5 characters: use at least 16",
                ":3: a token must be printable ASCII characters without spaces",
                ":4: a token must be printable ASCII characters without spaces",
            ],
        ),
        (None, [": No such file or directory"]),
        (b"\xff\xfe" * 20, [": not UTF-8 text"]),
    ],
)
def test_wrong_token_file_is_reported_by_line_without_a_token(
    path: Path, content: bytes | None, mistakes: list[str]
) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_tokens(path)
    assert list(caught.value.mistakes) == [f"{path}{mistake}" for mistake in mistakes]


@pytest.fixture
def authenticator(path: Path) -> Authenticator:
    return Authenticator(write(path, FIRST), Clock())


@pytest.mark.parametrize(
    "value",
    [None, b"", b"Bearer", b"Bearer ", b"Basic Zmk=", FIRST.encode(), b"Bearer no", b"\xff \xff"],
)
def test_authenticator_takes_a_scheme_in_any_case_and_refuses_any_other_header(
    authenticator: Authenticator, value: bytes | None
) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        authenticator.check(f"{scheme} {FIRST}".encode(), "192.0.2.1")
    with pytest.raises(Unauthorized):
        authenticator.check(value, "192.0.2.1")


def test_authenticator_throttles_guesses_and_always_accepts_valid_tokens(
    authenticator: Authenticator,
) -> None:
    """Row 21. Fails without the limit, if it is checked before the tokens, or if a host has many limits."""
    refusals: list[object] = []
    for number in range(20):
        try:
            authenticator.check(b"Bearer guess", f"2001:db8::{number}")
        except (Unauthorized, TooManyRequests) as error:
            refusals.append((type(error), error.retry_after))
        authenticator.check(f"Bearer {FIRST}".encode(), "2001:db8::1")
    assert refusals == [(Unauthorized, None)] * 10 + [(TooManyRequests, 1)] * 10
    with pytest.raises(Unauthorized):
        authenticator.check(b"Bearer guess", "192.0.2.2")
