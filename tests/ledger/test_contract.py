"""The embedded ledger keeps the contract."""

from tests.ledger.contract import LedgerContract
from tests.ledger.window_contract import OwnWindowContract


class TestSqliteLedger(LedgerContract, OwnWindowContract):
    """What is particular to it is in `test_sqlite`."""
