"""What a ledger under test shows of a series."""

from exporter.ledger.contract import Ledger, Series, Total
from tests.ledger.batches import FAILURE


def total(ledger: Ledger, of: Series = FAILURE) -> Total:
    [found] = [one for one in ledger.totals().series if one.series.key == of.key]
    return found


def value(ledger: Ledger, of: Series = FAILURE) -> int:
    return sum(one.value for one in ledger.totals().series if one.series.key == of.key)
