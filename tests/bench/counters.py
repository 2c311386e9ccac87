"""Counts of an exporter, read from the text of /metrics: a parser needs seconds for 50,000 series."""

import re

from exporter import names
from tests.e2e.exporter_process import ExporterProcess


def accepted(exporter: ExporterProcess) -> float:
    """The events that were counted so far."""
    values = re.findall(rf"^{names.ACCEPTED_EVENTS}\S* (\S+)$", _text(exporter), re.MULTILINE)
    return sum(map(float, values))


def series(exporter: ExporterProcess) -> int:
    """The number of series of counters."""
    return len(re.findall(r"^session_\w+_total\b", _text(exporter), re.MULTILINE))


def _text(exporter: ExporterProcess) -> str:
    reply = exporter.request("ops", "GET", "/metrics")
    assert reply.status == 200, reply.body
    return reply.body.decode()
