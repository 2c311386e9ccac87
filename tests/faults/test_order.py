from tests.faults.order import observe

SYNC_OFF = """
from exporter.ledger import store
opened = store._open
def _open(path):
    connection = opened(path)
    connection.execute("PRAGMA synchronous=OFF").fetchall()
    return connection
store._open = _open
"""


def test_every_acknowledgement_follows_its_fdatasync(tmp_path):
    """Fails on the mutant of the next test."""
    order = observe(tmp_path, 30)
    assert order.answers == 30
    assert order.unsynced == 0


def test_the_order_test_sees_a_ledger_that_does_not_sync(tmp_path):
    order = observe(tmp_path, 10, mutant=SYNC_OFF)
    assert order.answers == 10
    assert order.unsynced == 10
