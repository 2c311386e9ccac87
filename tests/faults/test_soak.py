from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.soak import MOST_WAL, SETTINGS, Soak, soak

LEAK = """
from exporter.ledger.group import Group
made, kept = Group.receipts, []
def receipts(self):
    kept.append(b"x" * (1 << 19))
    return made(self)
Group.receipts = receipts
"""
NO_CHECKPOINTS = """
from exporter.ledger import store
opened = store._open
def _open(path):
    connection = opened(path)
    connection.execute("PRAGMA wal_autocheckpoint=0").fetchall()
    return connection
store._open = _open
"""
REQUESTS = 600


def soaked(folder: Path, mutant: str = "") -> Soak:
    with ExporterProcess(folder, settings=SETTINGS, mutant=mutant) as exporter:
        return soak(exporter, REQUESTS, 0)


def test_the_slope_of_memory_and_the_wal_are_measured_under_traffic(tmp_path: Path) -> None:
    """Row 25, in seconds; the goal on the slope needs the 20 minutes of `make faults`. The figures show
    both mutants: a leak, and a WAL without checkpoints."""
    sound = soaked(tmp_path / "sound")
    assert sound.counted == sound.events
    assert sound.wal <= MOST_WAL
    leaking = soaked(tmp_path / "leaking", LEAK)
    # Growth, since the runs may take different times.
    grown, normal = (run.slope * run.seconds for run in (leaking, sound))
    assert grown > 5 * abs(normal)
    assert soaked(tmp_path / "growing", NO_CHECKPOINTS).wal > MOST_WAL
