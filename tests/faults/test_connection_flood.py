from pathlib import Path

import pytest

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.connection_flood import MIB, flood, settings

CONNECTIONS = 640
GROWTH = 32 * MIB
"""A connection that is kept takes some 200 kB: 120 MiB for these."""


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "TLS"])
def test_connections_that_ended_leave_no_memory_behind(tmp_path: Path, with_tls: bool) -> None:
    """10,000 of them in `make faults`. Fails on the mutant of the next test."""
    with ExporterProcess(tmp_path / "data", settings=settings(tmp_path, with_tls)) as exporter:
        found = flood(exporter, CONNECTIONS, with_tls)
    assert found.after - found.before <= GROWTH
    assert found.answers[401] > 0
    assert set(found.answers) <= {0, 401, 429}


KEPT = """
from exporter.server.joined import JoinedTransport
JoinedTransport.release = lambda self: None
"""


def test_connections_that_a_cycle_keeps_are_noticed(tmp_path: Path) -> None:
    with ExporterProcess(
        tmp_path / "data", settings=settings(tmp_path, with_tls=True), mutant=KEPT
    ) as exporter:
        found = flood(exporter, CONNECTIONS, with_tls=True)
    assert found.after - found.before > GROWTH
