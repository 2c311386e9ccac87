"""Addresses of the demo's programs."""

import socket

from exporter.demo.stack import choose_addresses


def test_addresses_are_distinct_and_avoid_a_port_in_use() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", 10400))
            other.listen()
        except OSError:
            pass  # Another program uses the port.
        addresses = choose_addresses()
        assert len(set(addresses)) == 4
        assert addresses.ingest != "127.0.0.1:10400"
