"""The commands, thin: flags in, exit code out; a module each, named like the command.

What a command needs is imported when it runs: `--help` and `codes` do not wait for a server, nor a server
for tables.
"""
