"""The totals that a ledger shows of a series."""

from exporter.ledger.contract import Ledger, Series, Total
from tests.ledger.batches import FAILURE


def total(ledger: Ledger, of: Series = FAILURE) -> Total:
    [match] = [total for total in ledger.totals().series if total.series.key == of.key]
    return match


def value(ledger: Ledger, of: Series = FAILURE) -> int:
    return sum(total.value for total in ledger.totals().series if total.series.key == of.key)
