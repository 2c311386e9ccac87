"""What a code means, looked up by the person it woke: `session-end-exporter codes [QUERY…]`."""

from exporter.lookup.page import as_json
from exporter.lookup.search import search
from exporter.lookup.show import show

__all__ = ["as_json", "search", "show"]
