"""Streampixel's build webhook, and a poller of its live stats. Both are off by default."""
