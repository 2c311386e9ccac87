"""The commands: flags in, exit code out.

A command imports what it needs when it runs: `--help` and `codes` do not wait for the server's imports.
"""
