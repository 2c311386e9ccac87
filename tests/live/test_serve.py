"""Live stats of a real exporter: off without the settings, beside ingest, and silent about the key."""

import json
import os
from pathlib import Path

import pytest

from exporter import names
from exporter.configuration import read_configuration
from exporter.errors import ConfigError
from exporter.live.failures import REASONS
from exporter.live.key import read_key
from exporter.settings import load
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.live.vendor import KEY, USER, Vendor, hangs, key_file, says

EVENT = {"id": "a", "system": "streampixel", "code": 4001}
LABELS = {"system": "streampixel", "project": "p1"}


def settings(server: Vendor, file: Path, **other: object) -> dict[str, object]:
    return {
        "live_stats_projects": "p1",
        "live_stats_user": USER,
        "live_stats_key_file": file,
        "live_stats_url": server.url,
        "log_level": "debug",
        **other,
    }


def series(exporter: ExporterProcess) -> dict[str, float]:
    """Series about p1, by name."""
    wanted = frozenset(LABELS.items())
    return {name: value for (name, found), value in exporter.metrics().items() if found == wanted}


def failures(exporter: ExporterProcess) -> dict[str, float]:
    return {
        dict(labels)["reason"]: value
        for (name, labels), value in exporter.metrics().items()
        if name == names.LIVE_STATS_FAILURES
    }


def test_without_the_settings_nothing_is_asked_and_nothing_shown(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "data") as exporter:
        found = {name for name, _ in exporter.metrics()}
    assert not [one for one in found if "live" in one or "queued" in one]


def test_users_are_shown_beside_the_ends(server: Vendor, tmp_path: Path) -> None:
    with ExporterProcess(
        tmp_path / "data", settings=settings(server, key_file(tmp_path))
    ) as exporter:
        found = wait_for(lambda: names.QUEUED_USERS in series(exporter) and series(exporter))
        assert (found[names.LIVE_USERS], found[names.QUEUED_USERS]) == (7, 2)
        assert found[names.LIVE_STATS_SUCCESS] > 1_700_000_000
        assert failures(exporter) == dict.fromkeys(REASONS, 0)
        assert exporter.stop() == 0
        assert exporter.log == ""
    assert server.asked == ["p1"]


def test_a_server_that_hangs_holds_up_neither_ingest_nor_the_end(
    server: Vendor, tmp_path: Path
) -> None:
    server.always = hangs()
    with ExporterProcess(
        tmp_path / "data", settings=settings(server, key_file(tmp_path))
    ) as exporter:
        wait_for(lambda: server.asked)
        assert exporter.post(EVENT).json["accepted"] == 1
        assert names.LIVE_USERS not in series(exporter)
        assert series(exporter)[names.LIVE_STATS_SUCCESS] == 0
        assert exporter.stop() == 0
        # An end that waits for the request waits until it is given up, which is logged.
        assert "timeout" not in exporter.log


def test_a_refused_key_is_counted_and_in_no_line_of_the_log(server: Vendor, tmp_path: Path) -> None:
    server.always = says(401, {"message": f"Unauthorized: Invalid API Key {KEY}"})
    with ExporterProcess(
        tmp_path / "data", settings=settings(server, key_file(tmp_path))
    ) as exporter:
        wait_for(lambda: failures(exporter)["unauthorized"] == 1)
        assert KEY not in exporter.request("ops", "GET", "/metrics").body.decode()
        assert exporter.stop() == 0
        (line,) = exporter.lines()
    assert line["event"] == "live stats failed"
    assert (line["reason"], line["project"]) == ("unauthorized", "p1")
    assert line["detail"] == "status 401: Unauthorized: Invalid API Key ***"


def test_a_key_file_that_is_wrong_stops_the_start_and_is_found_by_check(
    server: Vendor, tmp_path: Path
) -> None:
    file = key_file(tmp_path, "two words\n")
    exporter = ExporterProcess(tmp_path / "data", settings=settings(server, file))
    assert exporter.launch().wait(30) == 1
    exporter.kill()
    assert read_configuration(None, **{**COMPLETE, "live_stats_key_file": file}).mistakes == [
        f"{file}:1: a key is one word of printable ASCII characters"
    ]
    assert f"{file}:1: a key is one word of printable ASCII characters" in exporter.log
    assert "two words" not in json.dumps(exporter.log)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": there is no key in it"),
        ("# none yet\n\n", ": there is no key in it"),
        ("a\nb\n", ":2: a second key; there is one account"),
        ("# mine\nschlüssel\n", ":2: a key is one word of printable ASCII characters"),
    ],
)
def test_a_wrong_key_file_is_named_with_its_line_and_not_its_words(
    tmp_path: Path, text: str, message: str
) -> None:
    file = key_file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_key(file)
    assert caught.value.mistakes == (f"{file}{message}",)


def test_a_key_that_others_can_read_is_warned_about(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = key_file(tmp_path, f"# mine\n{KEY}\n")
    assert read_key(file) == KEY
    assert capfd.readouterr().err == ""
    os.chmod(file, 0o644)
    assert read_key(file) == KEY
    logged = capfd.readouterr().err
    assert "open to other users" in logged
    assert KEY not in logged


# --- settings ------------------------------------------------------------------------------------

COMPLETE = {"live_stats_projects": ("p1",), "live_stats_user": "u", "live_stats_key_file": "/k"}


def mistake(**given: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load(**given)
    (found,) = caught.value.mistakes
    return found


def test_live_stats_are_off_by_default_and_asked_for_no_faster_than_every_30_s() -> None:
    assert load().live_stats_projects == ()
    assert load(**COMPLETE).live_stats_interval == 30
    found = mistake(**COMPLETE, live_stats_interval="29s")
    assert found == ("live_stats_interval = '29s': write at least 30s")
    assert load(**COMPLETE, live_stats_interval="2m").live_stats_interval == 120


@pytest.mark.parametrize("name", COMPLETE)
def test_live_stats_need_projects_an_account_and_a_key(name: str) -> None:
    """Fails without the rule: half of it set was as good as nothing, in silence."""
    rest = {key: value for key, value in COMPLETE.items() if key != name}
    first = next(iter(rest))
    assert mistake(**rest) == f"{first} = {rest[first]!r}: set {name} too"


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example/x",
        "api.example",
        "ftp://127.0.0.1",
        "https://",
        "https://a.example/x?apikey=1",
        "https://user:password@a.example",
    ],
)
def test_the_key_is_sent_over_https_or_on_loopback_only(url: str) -> None:
    """Fails without the rule: the key is in the URL's query, in the clear on every hop."""
    text = mistake(**COMPLETE, live_stats_url=url)
    assert text.startswith("live_stats_url = ")
    assert text.endswith(
        ": write an https:// URL without a query; http:// is for loopback only, because the API key is "
        "sent to this URL"
    )
    assert "password" not in text


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x/", "http://[::1]:9/x", "https://a.example/x"]
)
def test_a_url_loses_its_last_slash(url: str) -> None:
    assert load(**COMPLETE, live_stats_url=url).live_stats_url == url.rstrip("/")


@pytest.mark.parametrize("one", ["a/b", "é", "x" * 65, "a b"])
def test_an_id_is_one_word(one: str) -> None:
    found = mistake(**{**COMPLETE, "live_stats_projects": ("p1", one)})
    assert found == (
        f"live_stats_projects[1] = {one!r}: write an id: up to 64 letters, digits, _ and -"
    )
