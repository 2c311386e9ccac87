"""The pager of a module."""

from tests.e2e.pager import pager  # noqa: F401
