"""Rule files over a history of ends: what would have fired, and when."""
