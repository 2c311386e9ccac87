"""Counts the ends of streaming sessions exactly once and exports them to Prometheus."""

__version__ = "0.1.0"
