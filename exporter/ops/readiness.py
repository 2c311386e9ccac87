"""Whether events can be taken, and what is wrong when they can't."""

from pathlib import PurePath

from exporter.ledger.contract import Status


def unready(status: Status) -> str | None:
    """Why the exporter is not ready, a sentence for people; None when it is.

    A ledger that was moved aside keeps it unready until a restart, although events are counted again:
    the counts began anew, and somebody has to know.
    """
    if dead := ended(status):
        return dead
    if status.problem is not None:
        return status.problem
    if status.damaged is not None:
        return (
            f"the ledger was damaged and moved to {PurePath(status.damaged).name}; counting began "
            "anew. Keep that file, find out why, then restart the exporter."
        )
    return None


def ended(status: Status) -> str | None:
    """Why only a restart helps, a sentence for people; None when none is needed."""
    return None if status.alive else "the ledger's writer has ended; restart the exporter"
