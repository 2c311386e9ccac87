"""The URLs that `serve` prints."""

import contextlib
import io

from exporter.announce import announce
from exporter.settings import Settings

BOUND = {"ingest": ("0.0.0.0", 10400), "ops": ("::", 10401)}


def test_listener_on_all_addresses_is_shown_as_loopback() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        announce(Settings(), BOUND)
    assert "http://127.0.0.1:10400/v1/session-ends" in out.getvalue()
    assert "http://[::1]:10401/metrics" in out.getvalue()
