from tests.e2e.exporter_process import ExporterProcess
from tests.faults.slow_sockets import SMALL_BUFFERS, Siege, besiege

TIMEOUT = 2
WITHOUT_CHECK = """
from exporter.server.protocol import GuardedProtocol
GuardedProtocol._check = lambda self: None
"""
WITHOUT_WRITE_DEADLINE = """
from exporter.server.protocol import GuardedProtocol
GuardedProtocol.pause_writing = lambda self: self.flow.pause_writing()
"""


def besieged(folder, sockets, patience, mutant="") -> Siege:
    settings = {"receive_timeout": TIMEOUT}
    with ExporterProcess(folder, settings=settings, mutant=SMALL_BUFFERS + mutant) as exporter:
        return besiege(exporter, sockets, patience)


def test_slow_heads_bodies_and_readers_go_while_others_are_served(tmp_path):
    """A thousand of them in `make faults`, within 10 s. The mutants have no deadline for requests, and none
    for answers: their sockets stay for twice as long as all others took to go. Requests that
    each had to wait for a slow socket would take a timeout each."""
    sound = besieged(tmp_path / "sound", 90, patience=60)
    assert sound.gone < 60
    assert sound.requests > 2 * sound.gone / TIMEOUT
    for number, mutant in enumerate((WITHOUT_CHECK, WITHOUT_WRITE_DEADLINE)):
        found = besieged(tmp_path / str(number), 9, patience=2 * sound.gone, mutant=mutant)
        assert found.gone == float("inf")
