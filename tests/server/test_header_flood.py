"""Row 13 of the fault table: headers without end. FAULTS=full sends more of them."""

import os
import socket
from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.usage import peak
from tests.server.conftest import DEADLINE, rest, status


def test_header_flood_costs_little_memory(tmp_path: Path) -> None:
    """Fails without the header limit: the process grows by the headers sent, 40 MiB each time."""
    with ExporterProcess(tmp_path / "data") as exporter:
        # The first scrape imports the pages.
        exporter.metrics()
        before = peak(exporter)
        rounds = 5 if os.environ.get("FAULTS") == "full" else 1
        for flood in rounds * (b"x" * 65536, b"X-Y: z\r\n" * 8192):
            address = ("127.0.0.1", exporter.ports["ingest"])
            with socket.create_connection(address, timeout=DEADLINE) as client:
                try:
                    client.sendall(b"GET / HTTP/1.1\r\nX: ")
                    for _ in range(640):
                        client.sendall(flood)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                reply = rest(client)
                assert not reply or status(reply) == 431
        assert peak(exporter) - before <= 32 * 1024**2
