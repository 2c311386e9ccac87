"""Settings: where they come from, which wins, and what is said of each mistake."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from exporter.errors import ConfigError
from exporter.settings import PREFIX, Settings, load

ALL = ", ".join(Settings.model_fields)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for key in list(os.environ):
        if key.upper().startswith(PREFIX):
            monkeypatch.delenv(key)


@pytest.fixture
def toml(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "exporter.toml"
        path.write_text(text)
        return path

    return write


def mistakes(*args: Any, **flags: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(*args, **flags)
    return list(caught.value.mistakes)


def test_without_anything_the_defaults_are_safe() -> None:
    settings = load()
    assert settings.ingest == "127.0.0.1:10400"
    assert settings.ops == "127.0.0.1:10401"
    assert settings.allow_anonymous == "none"
    assert settings.max_header == 16384


def test_flags_win_over_the_environment_and_that_over_the_file(
    toml: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = toml('max_events = 1\nmax_depth = 11\nmax_body = "1KiB"\n')
    monkeypatch.setenv(PREFIX + "MAX_EVENTS", "2")
    monkeypatch.setenv(PREFIX + "MAX_DEPTH", "12")
    settings = load(path, max_events=3, ingest=None)
    assert (settings.max_events, settings.max_depth, settings.max_body) == (3, 12, 1024)


def test_a_variable_names_the_file(toml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = toml("max_events = 7\n")
    monkeypatch.setenv(PREFIX + "CONFIG", str(path))
    assert load().max_events == 7
    monkeypatch.setenv(PREFIX + "CONFIG", "/no/such.toml")
    assert load(path).max_events == 7
    assert mistakes() == ["/no/such.toml: No such file or directory"]


def test_paths_in_the_file_are_relative_to_it_and_others_to_the_working_directory(
    toml: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without `_beside`: the exporter found its files from one working directory only."""
    paths = 'ops_token_file = "tokens"\ningest_token_file = "/etc/tokens"\ndata_dir = "../data"\n'
    path = toml(f'{paths}taxonomy = ["codes", "/etc/codes"]\nbeacon_keys_file = "keys.yaml"\n')
    monkeypatch.setenv(PREFIX + "BEACON_KEYS_FILE", "keys.yaml")
    settings = load(path, ops_tls_cert="cert.pem", ops_tls_key=Path("key.pem"))
    assert settings.ops_token_file == tmp_path / "tokens"
    assert settings.ingest_token_file == Path("/etc/tokens")
    assert settings.data_dir == tmp_path / "../data"
    assert settings.taxonomy == (tmp_path / "codes", Path("/etc/codes"))
    assert settings.beacon_keys_file == Path("keys.yaml")
    assert (settings.ops_tls_cert, settings.ops_tls_key) == (Path("cert.pem"), Path("key.pem"))
    assert load(toml('taxonomy = "a, b"\n')).taxonomy == (tmp_path / "a", tmp_path / "b")
    assert load(toml("")).data_dir == Path("data")


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("10s", 10), ("15m", 900), ("1 h", 3600), ("1d", 86400)]
)
def test_durations_have_units(text: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "MAX_EVENT_AGE", text)
    assert load().max_event_age == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("5", 5), ("2KiB", 2048), ("1 MiB", 1024**2), ("1gib", 1024**3)]
)
def test_sizes_have_units(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "MAX_BODY", text)
    assert load().max_body == size


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "LABELS", "region, project,")
    monkeypatch.setenv(PREFIX + "TAXONOMY", "/a,/b")
    assert load().labels == ("region", "project")
    assert load().taxonomy == (Path("/a"), Path("/b"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", "both"), ("True", "both"), ("false", "none"), ("ops", "ops"), ("both", "both")],
)
def test_allow_anonymous_is_also_true_or_false(
    value: str, expected: str, toml: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFIX + "ALLOW_ANONYMOUS", value)
    assert load().allow_anonymous == expected
    monkeypatch.delenv(PREFIX + "ALLOW_ANONYMOUS")
    assert load(toml("allow_anonymous = true\n")).allow_anonymous == "both"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load().max_events = 5


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({"max_events": 0}, "max_events = 0: Input should be greater than 0"),
        (
            {"max_event_age": "soon"},
            "max_event_age = 'soon': Input should be a valid number, unable to parse string as a "
            "number",
        ),
        (
            {"max_event_age": "800000d"},
            "max_event_age = '800000d': Input should be less than or equal to 316224000",
        ),
        (
            {"first_seen_zero_for": "inf"},
            "first_seen_zero_for = 'inf': Input should be less than or equal to 316224000",
        ),
        (
            {"max_event_age": "inf"},
            "max_event_age = 'inf': Input should be less than or equal to 316224000",
        ),
        (
            {"max_body": "1 acre"},
            "max_body = '1 acre': Input should be a valid integer, unable to parse string as an "
            "integer",
        ),
        (
            {"ingest": "10400"},
            "ingest = '10400': '10400' is not HOST:PORT, such as 127.0.0.1:10400",
        ),
        (
            {"ops": "a:70000"},
            "ops = 'a:70000': 'a:70000' is not HOST:PORT, such as 127.0.0.1:10400",
        ),
        (
            {"labels": "9a"},
            "labels.0 = '9a': '9a' is not a label name: letters, digits and _, not starting with __",
        ),
        (
            {"labels": "region,shop,region"},
            "labels = 'region,shop,region': 'region' is listed twice, as items 0 and 2; remove one of "
            "them",
        ),
        ({"labels": "code"}, "labels.0 = 'code': 'code' is one of the exporter's own labels"),
        (
            {"log_level": "loud"},
            "log_level = 'loud': Input should be 'debug', 'info', 'warning' or 'error'",
        ),
        (
            {"allow_anonymous": "maybe"},
            "allow_anonymous = 'maybe': Input should be 'none', 'ingest', 'ops' or 'both'",
        ),
        (
            {"ops": "0.0.0.0:1"},
            "ops = '0.0.0.0:1' leaves loopback without a token: set ops_token_file, or "
            "allow_anonymous to 'ops' or 'both'",
        ),
        (
            {"ingest_tls_key": "/k"},
            "ingest_tls_cert and ingest_tls_key: one is set without the other",
        ),
        (
            {"allowed_hosts": "exporter.example.com:10401"},
            "allowed_hosts.0 = 'exporter.example.com:10401': 'exporter.example.com:10401' is not a "
            "host name without a port, such as exporter.example.com or *.example.com",
        ),
        (
            {"allowed_hosts": "*"},
            "allowed_hosts.0 = '*': '*' is not a host name without a port, such as "
            "exporter.example.com or *.example.com",
        ),
        (
            {"trusted_proxies": "10.0.0.1/8"},
            "trusted_proxies.0 = '10.0.0.1/8': '10.0.0.1/8' is not an address or a network, such as "
            "10.0.0.0/8 or ::1",
        ),
        ({"beacon_rate": 0}, "beacon_rate = 0: Input should be greater than 0"),
        ({"max_event": 5}, "max_event: no such setting; near it: max_events, max_event_age"),
        ({"zzz": 5}, f"zzz: no such setting; there are {ALL}"),
    ],
)
def test_a_mistake_names_key_value_and_what_is_allowed(flags: dict[str, Any], text: str) -> None:
    got = mistakes(**flags)
    assert len(got) == 1
    assert got[0].startswith(text) if "max_event:" in text else got[0] == text


def test_a_mistake_in_the_file_names_the_file(toml: Any) -> None:
    path = toml('max_events = "many"\nmax_evnts = 5\n')
    assert mistakes(path) == [
        f"{path}: max_events = 'many': Input should be a valid integer, unable to parse string as "
        "an integer",
        f"{path}: max_evnts: no such setting; near it: max_events, max_event_age, max_queue_events",
    ]


def test_a_file_that_cannot_be_read_is_named(toml: Any, tmp_path: Path) -> None:
    assert mistakes(tmp_path / "none.toml") == [f"{tmp_path}/none.toml: No such file or directory"]
    path = toml("a = \n")
    assert mistakes(path)[0].startswith(f"{path}: not TOML: ")


def test_a_mistake_in_a_variable_names_the_variable(
    toml: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFIX + "MAX_DEPTH", "1")
    path = toml("max_depth = 5\n")
    assert mistakes(path) == [
        "SESSION_EXPORTER_MAX_DEPTH = '1': Input should be greater than 2",
    ]


def test_a_variable_that_is_no_setting_is_a_mistake_without_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fails without `_strange`: a misspelt limit, or a token put in a variable, went unnoticed."""
    monkeypatch.setenv(PREFIX + "INGEST_TOKEN", "secret-0123456789abcdef")
    assert len(mistakes()) == 1
    monkeypatch.setenv(PREFIX + "MAX_DEPTH", "1")
    got = mistakes()
    assert got[0].startswith(
        "SESSION_EXPORTER_INGEST_TOKEN: no such setting; near it: ingest_token_file"
    )
    assert got[1:] == ["SESSION_EXPORTER_MAX_DEPTH = '1': Input should be greater than 2"]
    assert "secret" not in "".join(got)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.8.8.8:1", "localhost:1", "[::1]:1"])
def test_loopback_needs_no_token(address: str) -> None:
    assert load(ops=address).ops == address


@pytest.mark.parametrize("flags", [{"allow_anonymous": "ops"}, {"ops_token_file": "/t"}])
def test_leaving_loopback_takes_a_token_or_a_word(flags: dict[str, Any]) -> None:
    assert load(ops="0.0.0.0:1", **flags).ops == "0.0.0.0:1"
