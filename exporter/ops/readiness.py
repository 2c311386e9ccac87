"""Whether events can be taken, and the reason if not."""

from pathlib import PurePath

from exporter.ledger.contract import Status


def unready(status: Status) -> str | None:
    """Why the exporter is not ready; None when it is.

    After a damaged ledger was moved aside, events are counted again from 0. The exporter stays unready
    until a restart, so that an operator notices.
    """
    if reason := stopped(status) or status.problem:
        return reason
    if status.damaged is not None:
        return (
            f"the ledger was damaged and moved to {PurePath(status.damaged).name}; counting began "
            "anew. Keep that file, find out why, then restart the exporter."
        )
    return None


def stopped(status: Status) -> str | None:
    """Why only a restart helps; None when none is needed."""
    return None if status.alive else "the ledger's writer has ended; restart the exporter"
