"""When each build event happened last, as the ledger remembers it."""

from exporter.ledger.contract import Family, Totals


def last_builds(totals: Totals) -> dict[tuple[str, str], float]:
    """Unix seconds by (system, event), of the events that ever happened.

    The time is the text of the total's exemplar: it is written with the count, in one transaction.
    """
    return {
        (total.series.system, total.series.code): float(total.exemplar.session_id)
        for total in totals.series
        if total.series.family is Family.BUILDS and total.exemplar is not None
    }
