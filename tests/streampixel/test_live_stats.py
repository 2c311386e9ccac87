"""Live stats of an exporter process, the key file and the settings."""

import os
from pathlib import Path

import pytest

from exporter import names
from exporter.configuration import read_configuration
from exporter.errors import ConfigError
from exporter.settings import load
from exporter.streampixel.live_stats import read_key
from exporter.streampixel.poller import REASONS
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faulty_server import answers
from tests.streampixel.stats_server import KEY, USER, StatsServer, key_file, sends
from tests.streampixel.webhook import token_file

EVENT = {"id": "a", "system": "streampixel", "code": 4001}
LABELS = {"system": "streampixel", "project": "p1"}


def start(server: StatsServer, folder: Path) -> ExporterProcess:
    settings = {
        "live_stats_projects": "p1",
        "live_stats_user": USER,
        "live_stats_key_file": key_file(folder),
        "live_stats_url": server.url,
        "log_level": "debug",
    }
    return ExporterProcess(folder / "data", settings=settings)


def series(exporter: ExporterProcess) -> dict[str, float]:
    """The values of p1's series, by name."""
    wanted = frozenset(LABELS.items())
    return {name: value for (name, labels), value in exporter.metrics().items() if labels == wanted}


def failures(exporter: ExporterProcess) -> dict[str, float]:
    return {
        dict(labels)["reason"]: value
        for (name, labels), value in exporter.metrics().items()
        if name == names.LIVE_STATS_FAILURES
    }


def test_live_stats_are_exported_and_log_nothing(server: StatsServer, tmp_path: Path) -> None:
    with start(server, tmp_path) as exporter:
        values = wait_for(lambda: names.QUEUED_USERS in series(exporter) and series(exporter))
        assert (values[names.LIVE_USERS], values[names.QUEUED_USERS]) == (7, 2)
        assert values[names.LIVE_STATS_SUCCESS] > 1_700_000_000
        assert failures(exporter) == dict.fromkeys(REASONS, 0)
        assert exporter.stop() == 0
        assert exporter.log == ""
    assert server.polled == ["p1"]


def test_hanging_server_delays_neither_ingest_nor_shutdown(
    server: StatsServer, tmp_path: Path
) -> None:
    server.fault = sends(b"", hang=True)
    with start(server, tmp_path) as exporter:
        wait_for(lambda: server.polled)
        assert exporter.post(EVENT).json["accepted"] == 1
        assert names.LIVE_USERS not in series(exporter)
        assert series(exporter)[names.LIVE_STATS_SUCCESS] == 0
        assert exporter.stop() == 0
        # A shutdown that waited for the request would have logged its timeout.
        assert "timeout" not in exporter.log


def test_refused_key_is_counted_and_never_logged(server: StatsServer, tmp_path: Path) -> None:
    server.fault = answers(401, {"message": f"Unauthorized: Invalid API Key {KEY}"})
    with start(server, tmp_path) as exporter:
        wait_for(lambda: failures(exporter)["unauthorized"] == 1)
        assert KEY not in exporter.request("ops", "GET", "/metrics").body.decode()
        assert exporter.stop() == 0
        (line,) = exporter.lines()
    assert line["event"] == "live stats failed"
    assert (line["reason"], line["project"]) == ("unauthorized", "p1")
    assert line["detail"] == "status 401: Unauthorized: Invalid API Key ***"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# none yet\n\n", ": there is no key in it"),
        ("a\nb\n", ":2: a second key; there is one account"),
        ("# mine\nschlüssel\n", ":2: a key is one word of printable ASCII characters"),
    ],
)
def test_wrong_key_file_is_reported_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = key_file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_key(file)
    assert caught.value.mistakes == (f"{file}{message}",)


def test_wrong_secret_files_are_mistakes_of_the_configuration(tmp_path: Path) -> None:
    """`serve` does not start, and `check` prints them."""
    key, tokens = key_file(tmp_path, "two words\n"), token_file(tmp_path, "short")
    settings = {**COMPLETE, "live_stats_key_file": key, "streampixel_webhook_token_file": tokens}
    mistakes = " ".join(read_configuration(None, **settings).mistakes)
    assert f"{key}:1: a key is one word" in mistakes
    assert f"{tokens}:1: the token has 5 characters" in mistakes
    assert "two words" not in mistakes


def test_key_file_open_to_others_is_warned_about(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = key_file(tmp_path, f"# mine\n{KEY}\n")
    assert read_key(file) == KEY
    assert capfd.readouterr().err == ""
    os.chmod(file, 0o644)
    assert read_key(file) == KEY
    log = capfd.readouterr().err
    assert "open to other users" in log
    assert KEY not in log


# --- settings ------------------------------------------------------------------------------------

COMPLETE = {"live_stats_projects": ("p1",), "live_stats_user": "u", "live_stats_key_file": "/k"}


WRONG_URL = (
    "write an https:// URL without a query; http:// is for loopback only, because the API key is sent to "
    "this URL"
)
WRONG_ID = "write an id: up to 64 letters, digits, _ and -"


def test_settings_of_live_stats_are_normalized() -> None:
    assert load(**COMPLETE).live_stats_interval == 30
    assert load(**COMPLETE, live_stats_interval="2m").live_stats_interval == 120
    for url in ("http://127.0.0.1:9/x/", "http://[::1]:9/x", "https://a.example/x"):
        assert load(**COMPLETE, live_stats_url=url).live_stats_url == url.rstrip("/")


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("interval", "29s", "write at least 30s"),
        ("url", "http://api.example/x", WRONG_URL),
        ("url", "api.example", WRONG_URL),
        ("url", "ftp://127.0.0.1", WRONG_URL),
        ("url", "https://", WRONG_URL),
        ("url", "https://a.example/x?apikey=1", WRONG_URL),
        ("url", "https://user:password@a.example", WRONG_URL),
        ("projects", "a/b", WRONG_ID),
        ("projects", "é", WRONG_ID),
        ("projects", "x" * 65, WRONG_ID),
        ("projects", "a b", WRONG_ID),
    ],
)
def test_wrong_setting_is_refused(key: str, value: str, rule: str) -> None:
    given = ("p1", value) if key == "projects" else value
    with pytest.raises(ConfigError) as caught:
        load(**{**COMPLETE, f"live_stats_{key}": given})
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(f"live_stats_{key}")
    assert mistake.endswith(rule)
    assert repr(value) in mistake or "?" in value or "@" in value
    assert "password" not in mistake
    assert "apikey" not in mistake


@pytest.mark.parametrize("name", COMPLETE)
def test_incomplete_settings_are_refused(name: str) -> None:
    rest = {key: value for key, value in COMPLETE.items() if key != name}
    first = next(iter(rest))
    with pytest.raises(ConfigError) as caught:
        load(**rest)
    assert caught.value.mistakes == (f"{first} = {rest[first]!r}: set {name} too",)
