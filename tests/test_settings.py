"""Settings: sources, precedence, and the text of each mistake."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from exporter.errors import ConfigError
from exporter.event_fields import MAPPABLE
from exporter.settings import PREFIX, load

Toml = Callable[[str], Path]
PATH = "write a path without control characters and spaces at the ends"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in list(os.environ):
        if key.upper().startswith(PREFIX):
            monkeypatch.delenv(key)


@pytest.fixture
def toml(tmp_path: Path) -> Toml:
    def write(text: str) -> Path:
        path = tmp_path / "exporter.toml"
        path.write_text(text)
        return path

    return write


def mistakes(*args: Any, **flags: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(*args, **flags)
    return list(caught.value.mistakes)


def test_defaults_listen_on_loopback_and_are_frozen() -> None:
    settings = load()
    assert (settings.ingest, settings.ops) == ("127.0.0.1:10400", "127.0.0.1:10401")
    assert settings.allow_anonymous == "none"
    with pytest.raises(ValidationError, match="frozen"):
        settings.max_events = 5


def test_flags_win_over_variables_and_these_over_the_file(
    toml: Toml, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = toml('max_events = 1\nmax_depth = 11\nmax_body = "1KiB"\n')
    monkeypatch.setenv(PREFIX + "MAX_EVENTS", "2")
    monkeypatch.setenv(PREFIX.lower() + "max_depth", "12")
    settings = load(path, max_events=3, ingest=None)
    assert (settings.max_events, settings.max_depth, settings.max_body) == (3, 12, 1024)


def test_variable_names_the_file_which_must_be_toml(
    toml: Toml, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = toml("\ufeffmax_events = 7\n")  # with the mark that Windows' editors write
    monkeypatch.setenv(PREFIX + "CONFIG", str(path))
    assert load().max_events == 7
    monkeypatch.setenv(PREFIX + "CONFIG", "/no/such.toml")
    assert load(path).max_events == 7
    assert mistakes() == ["/no/such.toml: No such file or directory"]
    (mistake,) = mistakes(toml("a = \n"))
    assert mistake.startswith(f"{path}: not TOML: ")
    path.write_bytes("# è".encode("latin-1"))
    (mistake,) = mistakes(path)
    assert mistake.startswith(f"{path}: not TOML: 'utf-8' codec can't decode byte 0xe8")


def test_paths_in_the_file_are_relative_to_it(
    toml: Toml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without `_relative_to`: the exporter found its files only from one working directory."""
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
    path = toml('data_dir = 7\nops_token_file = ""\n')
    assert mistakes(path) == [
        f"{path}: data_dir = 7: must be a path in quotes",
        f"{path}: ops_token_file = '': {PATH}",
    ]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("max_event_age", {"250ms": 0.25, "10": 10, "1.5m\r": 90, "1 h": 3600, "1d": 86400}),
        ("max_body", {"2KiB\r": 2048, "1 MiB": 1024**2, "1gib": 1024**3}),
        ("labels", {"region, project, ": ("region", "project")}),
        ("taxonomy", {"/a,/b": (Path("/a"), Path("/b"))}),
        ("runbook_url", {"https://a.example/": "https://a.example"}),
        ("live_stats_url", {"https://a.example/": "https://a.example"}),
    ],
)
def test_variable_is_parsed(
    name: str, values: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for text, value in values.items():
        monkeypatch.setenv(PREFIX + name.upper(), text)
        assert getattr(load(), name) == value, text


API_URL = (
    "write an https:// URL without a query; http:// is for loopback only, because the API key is sent "
    "to this URL"
)
ROWS: list[tuple[str, Any, str]] = [
    # A setting, its value, and the instruction
    ("max_events", 0, "must be greater than or equal to 1"),
    ("max_events", 1.5, "must be a valid integer, got a number with a fractional part"),
    ("max_events", 10**6, "must be less than or equal to 50000"),
    ("max_events", True, "write a number"),
    ("max_event_age", "soon", "write seconds or a duration such as 15m"),
    ("max_event_age", 0, "must be greater than 0 s"),
    ("first_seen_zero_for", -1, "must be greater than or equal to 0 s"),
    ("live_stats_interval", 29, "must be greater than or equal to 30 s"),
    ("live_stats_interval", 601, "must be less than or equal to 600 s"),
    # TOML has `nan` and `inf`; a deadline of `nan` would never end.
    ("receive_timeout", math.nan, "must be a finite number"),
    ("max_body", "1MB", "write bytes or a size such as 1MiB"),
    ("max_body", 0, "must be greater than or equal to 1 B"),
    ("beacon_rate", 0, "must be greater than 0"),
    ("beacon_rate", True, "write a number"),
    ("beacon_rate", "fast", "must be a valid number, unable to parse string as a number"),
    ("ingest", "10400", "write HOST:PORT, such as 127.0.0.1:10400"),
    ("ops", "a:70000", "write HOST:PORT, such as 127.0.0.1:10400"),
    ("ingest", "http://127.0.0.1:10400", "write HOST:PORT, such as 127.0.0.1:10400"),
    ("ingest", " 127.0.0.1:10400", "write HOST:PORT, such as 127.0.0.1:10400"),
    ("ingest", "127.0.0.1\0:10400", "write HOST:PORT, such as 127.0.0.1:10400"),
    ("ops", 5, "must be text in quotes"),
    ("data_dir", 5, "must be a path in quotes"),
    ("data_dir", "", PATH),
    ("data_dir", "/var/lib/ledger\r", PATH),
    ("data_dir", "/var/lib/ledger\0", PATH),
    ("taxonomy", ["codes", "codes\r"], PATH),
    ("labels", 5, "must be a list"),
    ("labels", "a,b,a", "'a' is listed twice; write it once"),
    ("log_level", "loud", "must be 'debug', 'info', 'warning' or 'error'"),
    ("allow_anonymous", "maybe", "must be 'none', 'ingest', 'ops' or 'both'"),
    *(
        ("runbook_url", url, "write a URL without a query, such as https://ops.example.com")
        for url in (
            *("a.example", "http://h:0", "http://h:99999", "http://a b.example", "http://h/<b>"),
            *("http://h:3000\r", "http://h\0", "http://h/\x1b"),
        )
    ),
    ("live_stats_url", "https://h:99999", API_URL),
    ("live_stats_url", "http://api.example", API_URL),
    ("live_stats_url", "http://[::1", API_URL),
    (
        "live_stats_projects",
        [f"p{i}" for i in range(51)],
        "Tuple should have at most 50 items after validation, not 51",
    ),
    ("live_stats_projects", "a,b,a", "'a' is listed twice; write it once"),
    ("otlp_attributes", ["code=x", "labels.region=cloud.region"], "add 'region' to labels"),
    (
        "otlp_attributes",
        ["code=app.status", "phase=App_Status", "code=app.status"],
        "'App_Status' is for code and phase; write one of them",
    ),
    ("ops", "127.0.0.1:10400", "ingest has the same port; choose another port"),
    ("ops", "localhost:10400", "ingest has the same port; choose another port"),
    ("ingest_tls_key", "/k", "set ingest_tls_cert too"),
    (
        "ops",
        "0.0.0.0:1",
        "is not loopback and needs a token: set ops_token_file, or allow_anonymous to 'ops' or 'both'",
    ),
]
MISTAKES: list[tuple[dict[str, Any], str]] = [
    *(({name: value}, f"{name} = {value!r}: {rule}") for name, value, rule in ROWS),
    (
        {"ops": "0.0.0.0:10400", "allow_anonymous": "ops"},
        "ops = '0.0.0.0:10400': ingest has the same port; choose another port",
    ),
    (
        {"labels": "a,9a"},
        "labels[1] = '9a': write a label name: letters, digits and _, not starting with a digit or __",
    ),
    (
        {"labels": "cluster"},
        "labels[0] = 'cluster': choose another name: the exporter, Prometheus or the alert rules use this "
        "label",
    ),
    (
        {"allowed_hosts": "a.example:1"},
        "allowed_hosts[0] = 'a.example:1': write a host name without a port, such as exporter.example.com "
        "or *.example.com",
    ),
    *(
        (
            {"trusted_proxies": value},
            f"trusted_proxies[0] = {shown!r}: write an IP address or a network, such as 10.0.0.0/8 or ::1",
        )
        for value, shown in (
            ("10.0.0.1/8", "10.0.0.1/8"),
            ("http://me:hunter2@proxy", "http://***@proxy"),
        )
    ),
    *(
        (
            {"otlp_attributes": mapped},
            f"otlp_attributes[0] = {mapped!r}: write FIELD=ATTRIBUTE, where FIELD is one of "
            f"{', '.join(MAPPABLE)}, labels.NAME",
        )
        for mapped in ("body=x", "code=")
    ),
    (
        {"live_stats_projects": "a/b"},
        "live_stats_projects[0] = 'a/b': write an id: up to 64 letters, digits, _ and -",
    ),
    ({"otlp_events": ""}, "otlp_events = '': is empty"),
    ({"otlp_events": ["a", ""]}, "otlp_events[1] = '': String should have at least 1 character"),
    (
        {"live_stats_url": "https://user:password@a.example?apikey=1"},
        f"live_stats_url = 'https://***@a.example?***': {API_URL}",
    ),
    ({"zzz": 5}, "zzz: no such setting"),
    *(
        ({name: "800000d"}, f"{name} = '800000d': must be less than or equal to 316224000 s")
        for name in ("max_event_age", "first_seen_zero_for")
    ),
]


@pytest.mark.parametrize(("flags", "text"), MISTAKES, ids=lambda value: str(value)[:40])
def test_mistake_names_setting_value_and_what_to_write(flags: dict[str, Any], text: str) -> None:
    assert mistakes(**flags) == [text]


def test_mistakes_name_file_and_variable_and_are_reported_together(
    toml: Toml, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A combination of settings is checked if these are valid, also when other settings are wrong."""
    monkeypatch.setenv(PREFIX + "MAX_DEPTH", "1")
    path = toml(
        "max_depth = 5\nmax_evnts = 5\nledger_wait = 'aof'\nledger = 'x'\nops_tls_cert = '/c'\n"
    )
    first, *others = mistakes(path, max_body="1MB")
    assert first.startswith(f"{path}: ledger = 'x': ")
    assert others == [
        "max_body = '1MB': write bytes or a size such as 1MiB",
        "SESSION_EXPORTER_MAX_DEPTH = '1': must be greater than or equal to 3",
        f"{path}: max_evnts: no such setting",
        f"{path}: ops_tls_cert = '/c': set ops_tls_key too",
    ]


@pytest.mark.parametrize(
    "flags",
    [
        {"ops": "127.8.8.8:1"},
        {"ops": "localhost:1"},
        {"ops": "[::1]:1"},
        {"ops": "0.0.0.0:1", "allow_anonymous": "ops"},
        {"ops": "0.0.0.0:1", "ops_token_file": "/t"},
    ],
    ids=str,
)
def test_only_addresses_beyond_loopback_need_a_token_file_or_allow_anonymous(
    flags: dict[str, Any],
) -> None:
    assert load(**flags).ops == flags["ops"]
