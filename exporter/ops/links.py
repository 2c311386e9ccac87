"""Paths of the ops listener's pages."""

from urllib.parse import quote, urlencode

from exporter.names import ALERTS_PATH, CODES_PATH
from exporter.taxonomy.model import Code


def code_path(code: Code) -> str:
    """A code's runbook: what its alerts have as runbook_url."""
    return f"{CODES_PATH}/{quote(code.system, safe='')}/{quote(code.code, safe='')}"


def alert_path(alert: str) -> str:
    """An alert's runbook; that of a code's alert leads on to the code's."""
    return f"{ALERTS_PATH}/{quote(alert, safe='')}"


def search_path(query: str) -> str:
    """The table of codes, searched."""
    return f"{CODES_PATH}?{urlencode({'q': query})}"
