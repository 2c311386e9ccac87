"""The commands that `serve` prints work when they are pasted into a shell."""

import contextlib
import io
import shlex
from pathlib import Path

from exporter.announce import announce
from exporter.settings import Settings
from tests.programs import output

BOUND = {"ingest": ("0.0.0.0", 10400), "ops": ("::", 10401)}


def printed(**settings: object) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        announce(Settings(**settings), BOUND)  # type: ignore[arg-type]
    return out.getvalue()


def test_listener_on_all_addresses_is_shown_as_loopback() -> None:
    text = printed()
    assert "http://127.0.0.1:10400/v1/session-ends" in text
    assert "http://[::1]:10401/metrics" in text


def test_curl_command_reads_the_first_token_of_the_file(tmp_path: Path) -> None:
    """Fails when the path is not quoted, and when a blank line or a comment is read as a token."""
    tokens = tmp_path / "my tokens"
    tokens.write_text("\n# senders\n  \nfirst-token-0123456789\nsecond-token-012345678\n")
    line = next(line for line in printed(ingest_token_file=tokens).splitlines() if "curl" in line)
    arguments = output("sh", "-c", line.replace("curl", "printf '%s\\n'", 1)).splitlines()
    assert "Authorization: Bearer first-token-0123456789" in arguments
    assert shlex.split(line)[0] == "curl"
