"""A running exporter."""

from tests.commands.conftest import running

__all__ = ["running"]
