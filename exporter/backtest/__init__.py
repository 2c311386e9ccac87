"""Alert rules replayed over the events of files."""
