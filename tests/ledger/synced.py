"""Reads in strace's output whether each acknowledgement came after its WAL write was synced."""

import re

_LINE = re.compile(r"^(\d+)\s+(.*)$")


def unsynced(trace: str) -> tuple[int, int]:
    """How many acknowledgements there are in a trace made with `-f -y`, and how many of them left before
    a sync that began after the last write to the WAL had ended."""
    acknowledged = early = 0
    written = dirty = False
    syncing: dict[str, bool] = {}
    for line in trace.splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        thread, call = found.groups()
        if call.startswith(("pwrite64", "write")) and "ledger.db-wal>" in call:
            written = dirty = True
            syncing = dict.fromkeys(syncing, False)
        elif call.startswith(("fdatasync", "fsync")) and "ledger.db-wal>" in call:
            if call.endswith("<unfinished ...>"):
                syncing[thread] = True
            elif call.endswith("= 0"):
                dirty = False
        elif re.match(r"<\.\.\. (fdatasync|fsync) resumed>", call) and syncing.pop(thread, False):
            dirty = dirty and not call.endswith("= 0")
        elif call.startswith("write(1<") and '"ack ' in call:
            acknowledged += 1
            early += dirty or not written
            written = False
    return acknowledged, early
