"""Whose request it is: the peer's address, or what trusted proxies say of theirs."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

_HOPS: Final = 16
"""Addresses that are looked at: 16 KiB of headers hold thousands, and each takes 2 µs to read."""

Address = IPv4Address | IPv6Address


class Clients:
    """Finds senders behind `proxies`, networks in CIDR notation that the settings have checked."""

    def __init__(self, proxies: Iterable[str]) -> None:
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(map(ip_network, proxies))

    def sender(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The rightmost address of X-Forwarded-For that is no trusted proxy, or `peer` when that is none.

        What is left of it was written by the sender itself: believing it let anybody choose the address
        that his requests are held against. An address that can't be read ends the search at the
        proxy that passed it on. `headers` have lower-case names.
        """
        address = _address(peer)
        if address is None or not self._trusts(address):
            return peer
        said = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        found = peer
        for hop in reversed(said.decode("latin-1").split(",")[-_HOPS:]):
            before = _address(hop)
            if before is None:
                break
            found = str(before)
            if not self._trusts(before):
                break
        return found

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _address(text: str) -> Address | None:
    """An address as proxies write it: IPv6 in brackets or not, with a port or not."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
