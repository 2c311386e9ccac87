"""The embedded ledger keeps the contract."""

from tests.ledger.contract import LedgerContract


class TestSqliteLedger(LedgerContract):
    """What is particular to it is in `test_sqlite`."""
