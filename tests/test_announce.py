"""The message of `serve`."""

from pathlib import Path

import pytest

from exporter.announce import announce
from exporter.settings import Settings


@pytest.mark.usefixtures("capsys")
def test_file_name_that_is_not_utf_8_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(ingest_token_file=Path("tokens\udcff"))
    announce(settings, {"ingest": ("0.0.0.0", 1), "ops": ("::1", 2)})
    fields = vars(caplog.records[0])["fields"]
    assert "surrogates not allowed" in fields["error"]
    assert (fields["ingest"], fields["ops"]) == ("http://127.0.0.1:1", "http://[::1]:2")
