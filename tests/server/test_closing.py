"""A transport that closes later, over a transport that records its calls."""

from unittest.mock import Mock

import pytest

from exporter.server.closing import LingeringTransport


@pytest.mark.parametrize("lingers", [False, True])
def test_connection_that_lingers_is_closing_until_the_second_close(lingers: bool) -> None:
    """Fails without `_closing`: uvicorn would use the connection further, and a stop never close it."""
    transport = Mock()
    transport.is_closing.side_effect = lambda: transport.close.called
    lingering = LingeringTransport(transport, lambda: lingers)
    lingering.write(b"answer")
    lingering.close()
    assert lingering.is_closing()
    assert transport.close.called is not lingers
    # uvloop's transports raise on a write after their end.
    lingering.write(b"another answer")
    lingering.close()
    assert transport.close.called
    transport.write.assert_called_once_with(b"answer")
