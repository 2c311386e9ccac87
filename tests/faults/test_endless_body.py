from pathlib import Path

import pytest

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.endless_body import MAX_BODY, MOST_READ, endless

MIB = 1024**2


@pytest.mark.parametrize("declared", [False, True], ids=["chunked", "with a length"])
def test_a_body_of_a_gibibyte_is_refused_once_it_is_past_the_limit(
    tmp_path: Path, declared: bool
) -> None:
    """What the sender's kernel and ours hold on the way was sent and is never read, so `sent` is some
    megabytes more on loopback; bound is what the process took."""
    with ExporterProcess(tmp_path / "data") as exporter:
        found = endless(exporter, 1024 * MIB, declared)
        assert found.status == 413
        assert found.sent < 64 * MIB
        assert found.read <= MOST_READ
        if declared:
            assert found.read <= MOST_READ - MAX_BODY, "a length says it before the body does"
        assert exporter.total("session_exporter_refused_requests_total", reason="body_too_large")
        assert exporter.post({"id": "a", "system": "softdrive"}).status == 200


UNLIMITED = """
from exporter.ingest import guard
made = guard.Guard.__init__
def __init__(self, authenticator, max_body, budget):
    made(self, authenticator, 1 << 40, 1 << 40)
guard.Guard.__init__ = __init__
"""


def test_a_guard_without_its_limit_is_noticed(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "data", mutant=UNLIMITED) as exporter:
        found = endless(exporter, 8 * MIB)
        assert found.read > MOST_READ
        assert found.status == 400


WHOLE_READS = """
from exporter.server import listeners
listeners.BufferedConnection = lambda make, buffer, ended: make()
"""


def test_reads_of_any_size_are_noticed(tmp_path: Path) -> None:
    """What is read ahead when reads are bounded and reading does not stop: tests/server."""
    with ExporterProcess(tmp_path / "data", mutant=WHOLE_READS) as exporter:
        found = endless(exporter, 64 * MIB)
        assert found.status == 413
        assert found.read > MOST_READ
