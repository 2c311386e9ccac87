"""`python -m exporter` is the command `session-end-exporter`."""

from exporter.cli import main

main()
