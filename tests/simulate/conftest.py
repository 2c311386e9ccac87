"""A running exporter for the tests of `simulate`."""

from tests.commands.conftest import running

__all__ = ["running"]
