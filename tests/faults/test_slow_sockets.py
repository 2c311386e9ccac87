from tests.e2e.exporter_process import ExporterProcess
from tests.faults.slow_sockets import SMALL_BUFFERS, besiege

TWO = {"receive_timeout": 2}


def test_slow_heads_bodies_and_readers_go_while_others_are_served(tmp_path):
    """A thousand of them in `make faults`. Fails on each mutant of the next tests."""
    with ExporterProcess(tmp_path / "data", settings=TWO, mutant=SMALL_BUFFERS) as exporter:
        found = besiege(exporter, 90, patience=15)
    assert found.gone <= 2 + 2
    assert found.p99 < 0.25


WITHOUT_CHECK = """
from exporter.server.protocol import GuardedProtocol
GuardedProtocol._check = lambda self: None
"""
WITHOUT_WRITE_DEADLINE = """
from exporter.server.protocol import GuardedProtocol
GuardedProtocol.pause_writing = lambda self: self.flow.pause_writing()
"""


def test_sockets_without_a_deadline_are_noticed(tmp_path):
    for number, mutant in enumerate((WITHOUT_CHECK, WITHOUT_WRITE_DEADLINE)):
        data = tmp_path / str(number)
        with ExporterProcess(data, settings=TWO, mutant=SMALL_BUFFERS + mutant) as exporter:
            assert besiege(exporter, 9, patience=6).gone == float("inf")
