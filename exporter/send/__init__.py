"""`session-end-exporter send`: posts events from files and standard input, each counted once."""
