"""Live stats: polling in an exporter, the key file and the settings."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from exporter import names
from exporter.configuration import read_configuration
from exporter.errors import ConfigError
from exporter.settings import load
from exporter.streampixel.live_stats import REASONS, live_stats, read_key
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faulty_server import answers
from tests.streampixel.stats_server import USER, StatsServer, key_file, sends
from tests.streampixel.webhook import TOKEN, token_file

LABELS = {"system": "streampixel", "project": "p1"}


def settings_of(server: StatsServer, folder: Path) -> dict[str, Any]:
    return {
        "live_stats_projects": ("p1",),
        "live_stats_user": USER,
        "live_stats_key_file": key_file(folder),
        "live_stats_url": server.url,
    }


def test_live_stats_are_exported_and_log_nothing(server: StatsServer, tmp_path: Path) -> None:
    settings = settings_of(server, tmp_path) | {"live_stats_projects": "p1", "log_level": "debug"}
    with ExporterProcess(tmp_path / "data", settings=settings) as exporter:
        wait_for(lambda: exporter.total(names.QUEUED_USERS, **LABELS) == 2)
        assert exporter.total(names.LIVE_USERS, **LABELS) == 7
        assert exporter.total(names.LIVE_STATS_SUCCESS, **LABELS) > 1_700_000_000
        for reason in REASONS:
            assert exporter.total(names.LIVE_STATS_FAILURES, reason=reason) == 0
        assert exporter.log == ""
        # The webhook is off without a token file.
        assert exporter.request("ingest", "POST", names.BUILDS_PATH + TOKEN).status == 404
        metrics = exporter.request("ops", "GET", names.METRICS_PATH).body
        assert b"session_platform" not in metrics
        assert exporter.stop() == 0
    assert server.polled == ["p1"]


def poll_until(
    condition: Callable[[CollectorRegistry], object], server: StatsServer, folder: Path
) -> CollectorRegistry:
    """Poll while the event loop has other work, until the condition holds."""
    registry = CollectorRegistry()

    async def run() -> None:
        async with live_stats(load(**settings_of(server, folder)), registry):
            await asyncio.to_thread(wait_for, lambda: condition(registry))

    asyncio.run(run())
    return registry


def test_hanging_server_does_not_delay_the_shutdown(
    server: StatsServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server.fault = sends(b"", hang=True)
    registry = poll_until(lambda _: server.polled, server, tmp_path)
    assert registry.get_sample_value(names.LIVE_USERS, LABELS) is None
    assert registry.get_sample_value(names.LIVE_STATS_SUCCESS, LABELS) == 0
    # A shutdown that waited for the request would have logged its timeout.
    assert capfd.readouterr().err == ""


def test_failed_poll_is_counted(server: StatsServer, tmp_path: Path) -> None:
    server.fault = answers(401)
    reason = {"system": "streampixel", "reason": "unauthorized"}
    poll_until(
        lambda registry: registry.get_sample_value(names.LIVE_STATS_FAILURES, reason),
        server,
        tmp_path,
    )


@pytest.mark.parametrize("text", ["# none yet\n\n", "a\nb\n", "# mine\nschlüssel\n"])
def test_wrong_key_file_is_reported(tmp_path: Path, text: str) -> None:
    file = key_file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_key(file)
    rule = "the key must be one word of printable ASCII characters on one line"
    assert caught.value.mistakes == (f"{file}: {rule}",)


def test_wrong_secret_files_are_mistakes_of_the_configuration(tmp_path: Path) -> None:
    """`serve` does not start, and `check` prints them."""
    key, tokens = key_file(tmp_path, "two words\n"), token_file(tmp_path, "short")
    settings = {**COMPLETE, "live_stats_key_file": key, "streampixel_webhook_token_file": tokens}
    mistakes = " ".join(read_configuration(None, **settings).mistakes)
    assert f"{key}: the key must be one word" in mistakes
    assert f"{tokens}:1: the token has 5 characters" in mistakes
    assert "two words" not in mistakes


# --- settings ------------------------------------------------------------------------------------

COMPLETE = {"live_stats_projects": ("p1",), "live_stats_user": "u", "live_stats_key_file": "/k"}


@pytest.mark.parametrize("name", COMPLETE)
def test_incomplete_settings_are_refused(name: str) -> None:
    rest = {key: value for key, value in COMPLETE.items() if key != name}
    first = next(iter(rest))
    with pytest.raises(ConfigError) as caught:
        load(**rest)
    assert caught.value.mistakes == (f"{first} = {rest[first]!r}: set {name} too",)
