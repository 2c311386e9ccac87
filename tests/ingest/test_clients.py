"""Whose request it is, behind proxies and behind those who say they are."""

import pytest

from exporter.ingest.clients import Clients

PROXIES = Clients(("10.0.0.0/8", "2001:db8:f::/48", "127.0.0.1"))


def sender(peer: str, *said: str) -> str:
    return PROXIES.sender(peer, [(b"x-forwarded-for", one.encode()) for one in said])


@pytest.mark.parametrize("said", ["1.2.3.4", "10.0.0.1", "127.0.0.1, 1.2.3.4", ""])
def test_who_is_no_trusted_proxy_is_the_sender_whatever_it_says(said: str) -> None:
    assert sender("192.0.2.7", said) == "192.0.2.7"
    assert sender("2001:db8::1", said) == "2001:db8::1"


@pytest.mark.parametrize(
    ("said", "client"),
    [
        (("1.2.3.4",), "1.2.3.4"),
        (("6.6.6.6, 1.2.3.4",), "1.2.3.4"),
        (("1.2.3.4, 10.1.1.1, 10.2.2.2",), "1.2.3.4"),
        (("6.6.6.6", "1.2.3.4", "10.1.1.1"), "1.2.3.4"),
        (("1.2.3.4:5678",), "1.2.3.4"),
        (("[2001:db8::5]:443",), "2001:db8::5"),
        (("2001:DB8:0::5",), "2001:db8::5"),
        (("2001:db8::5, 2001:db8:f::1",), "2001:db8::5"),
        (("::ffff:1.2.3.4",), "1.2.3.4"),
        (("10.1.1.1, 10.2.2.2",), "10.1.1.1"),
        ((), "10.9.9.9"),
        (("",), "10.9.9.9"),
        (("unknown",), "10.9.9.9"),
        (("1.2.3.4, garbage, 10.1.1.1",), "10.1.1.1"),
        ((", ".join(["6.6.6.6"] * 5000 + ["10.1.1.1"] * 3000),), "10.1.1.1"),
    ],
)
def test_behind_trusted_proxies_it_is_the_rightmost_that_is_none(
    said: tuple[str, ...], client: str
) -> None:
    """Fails when the leftmost is taken: what is left of a proxy's own was written by anybody."""
    assert sender("10.9.9.9", *said) == client


@pytest.mark.parametrize("peer", ["::ffff:10.9.9.9", "2001:db8:f::9", "127.0.0.1"])
def test_a_proxy_is_known_however_its_address_is_written(peer: str) -> None:
    assert sender(peer, "1.2.3.4") == "1.2.3.4"


def test_a_peer_without_an_address_is_nobody() -> None:
    assert sender("", "1.2.3.4") == ""
