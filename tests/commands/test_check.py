"""`check` reports every mistake in one run, and `serve` refuses to start with the same lines."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from exporter.ledger.recovery import LedgerSettings, open_ledger
from tests.commands.running import arguments, call, environment, errors, run, write
from tests.programs import finished
from tests.root import give, root_owned
from tests.server.conftest import self_signed

OWN, OTHER = 12345, 54321
"""Ids of users."""
KEY_FILE = "sites:\n  - site: Shop\n    system: softdrive\n    origins: []\n    keys: []\n"


def check(*given: object, **settings: object) -> "subprocess.CompletedProcess[str]":
    """`check` with free ports and these settings as variables."""
    variables = {"ingest": "127.0.0.1:0", "ops": "127.0.0.1:0"} | settings
    return call(
        "check", *given, **{f"SESSION_EXPORTER_{k.upper()}": str(v) for k, v in variables.items()}
    )


def warnings(**settings: object) -> str:
    shown = check(**settings)
    assert shown.returncode == 0
    return shown.stderr


def test_check_prints_the_systems() -> None:
    shown = check()
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == "ok: softdrive (24 codes), streampixel (12 codes)\n"


def test_check_and_serve_report_mistakes_of_every_kind_in_one_run(tmp_path: Path) -> None:
    config = write(
        tmp_path / "exporter.toml",
        'max_body = "1MB"\nopps = "127.0.0.1:1"\nmax_events = 0\nops_token_file = "tokens"\n'
        'labels = ["region", "region"]\nops_tls_cert = "no.pem"\nops_tls_key = "tokens"\n'
        'ingest = "127.0.0.1:10400"\nops = "127.0.0.1:10400"\ntaxonomy = ["codes"]\n'
        'beacon_keys_file = "sites.yaml"\nledger_wait = "aof"\n',
    )
    tokens = write(tmp_path / "tokens", "short\n")
    sites = write(tmp_path / "sites.yaml", KEY_FILE)
    (tmp_path / "codes").mkdir()
    system = write(tmp_path / "codes" / "mine.yaml", "system: mine\n")
    overlay = write(tmp_path / "codes" / "other.yaml", "extends: streampixl\n")
    variables = {
        "SESSION_EXPORTER_LOG_LEVEL": "loud",
        "SESSION_EXPORTER_LABLES": "secret",
        "SESSION_EXPORTER_INGEST_TOKEN_FILE": str(tmp_path / "none"),
    }
    expected = [
        "SESSION_EXPORTER_LABLES: no such setting",
        f"{config}: labels = ['region', 'region']: 'region' is listed twice; write it once",
        f"{config}: max_body = '1MB': write bytes or a size such as 1MiB",
        f"{config}: max_events = 0: must be greater than or equal to 1",
        "SESSION_EXPORTER_LOG_LEVEL = 'loud': must be 'debug', 'info', 'warning' or 'error'",
        f"{config}: opps: no such setting",
        f"{config}: ledger_wait = 'aof': needs ledger: set it to the URL of Redis or Valkey",
        f"{config}: ops = '127.0.0.1:10400': ingest has the same port; choose another port",
    ]
    shown = call("check", "--config", config, **variables)
    assert "secret" not in shown.stderr
    served = run("serve", "--config", config, "--data-dir", tmp_path / "data", **variables)
    assert not (tmp_path / "data").exists()
    for lines in (errors(shown), errors(served)):
        assert lines[: len(expected)] == expected
        assert set(lines) >= {
            f"ingest_token_file = '{tmp_path}/none': No such file or directory",
            f"{tokens}:1: the token has 5 characters: use at least 16",
        }
        # The texts of these files' mistakes are in the tests of their readers.
        places = (
            f"{overlay}:1: ",
            f"{system}:1: ",
            f"{sites}:2: ",
            f"ops_tls_cert = '{tmp_path}/no.pem'",
        )
        assert all(any(line.startswith(place) for line in lines) for place in places)


def test_check_warns_of_a_port_in_use_and_serve_refuses_it(tmp_path: Path) -> None:
    """A running exporter uses the ports when `check` runs; that is not a mistake in the configuration."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        text = f"ops = '{address}': Address already in use "
        assert warnings(ops=address).startswith(f"warning: {text}")
        bad = write(tmp_path / "tokens", "short\n")
        free = ("--ingest", "127.0.0.1:0")
        served = run("serve", *free, "--ops", address, SESSION_EXPORTER_INGEST_TOKEN_FILE=str(bad))
        token, used = errors(served)
        assert token == f"{bad}:1: the token has 5 characters: use at least 16"
        assert used.startswith(text)


def test_check_warns_of_two_names_of_one_address() -> None:
    """Fails when an address is only bound: both can be bound, and `serve` could not start."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    shown = warnings(ingest=f"127.0.0.1:{port}", ops=f"127.1:{port}", allow_anonymous="ops")
    assert shown.startswith(f"warning: ingest = '127.0.0.1:{port}': Address already in use")


@pytest.mark.parametrize(
    ("owner", "user", "mode", "open_"),
    [
        (OWN, OWN, 0o640, True),
        (OTHER, OWN, 0o640, False),
        (OTHER, OWN, 0o660, True),
        (OTHER, OWN, 0o644, True),
        # Root runs `check` by hand, for a service of another user.
        (0, 0, 0o640, False),
    ],
    ids=["own", "read by the group", "written by the group", "read by all", "of root"],
)
def test_check_warns_of_secrets_that_other_users_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, user: int, mode: int, open_: bool
) -> None:
    """After chmod 600 alone, the exporter could not read the file of another owner."""
    tokens = write(tmp_path / "tokens", "0123456789abcdef\n")
    tokens.chmod(mode)
    with root_owned(tmp_path):
        give(tokens, owner, os.getegid())
        monkeypatch.setattr(os, "geteuid", lambda: user)
        warning = (
            f"warning: {tokens}: other users can read this file: run chown to the exporter's user, "
            "then chmod 600\n"
        )
        assert warnings(ingest_token_file=tokens) == (warning if open_ else "")


def test_check_refuses_a_secret_that_is_a_pipe(tmp_path: Path) -> None:
    """`serve` reads a secret twice: the second read of a pipe would be empty or block the start."""
    pipe = tmp_path / "tokens"
    os.mkfifo(pipe)
    pipe.chmod(0o644)
    message = f"error: ingest_token_file = '{pipe}': write the path of a regular file\n"
    assert check(ingest_token_file=pipe).stderr == message


@pytest.mark.parametrize(
    ("name", "mode"), [("ledger.db", 0o444), ("ledger.lock", 0o444), ("", 0o555)]
)
def test_serve_names_the_user_that_must_own_the_ledger(
    tmp_path: Path, name: str, mode: int
) -> None:
    """The error used to be only "unable to open database file" or "Permission denied"."""
    ledger = tmp_path / "ledger"
    open_ledger(LedgerSettings(ledger)).close()
    (ledger / name).chmod(mode)
    given = arguments(
        "serve", "--ingest", "127.0.0.1:0", "--ops", "127.0.0.1:0", "--data-dir", ledger
    )
    # Without these capabilities, root respects the modes of its files.
    privileges = "-dac_override,-dac_read_search"
    drop = ("setpriv", "--bounding-set", privileges) if os.geteuid() == 0 else ()
    shown = finished(*drop, *given, env=environment(), timeout=60).stderr
    assert shown.startswith(f"error: data_dir {ledger}: ")
    assert shown.endswith(f"must belong to user {os.geteuid()} (chown -R), with mode 700 and 600\n")
    ledger.chmod(0o700)


def test_check_warns_of_a_private_key_that_other_users_can_read(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    text = f"warning: {key}: other users can read this file: "
    assert text not in warnings(ops_tls_cert=cert, ops_tls_key=key)
    key.chmod(0o644)
    assert text in warnings(ops_tls_cert=cert, ops_tls_key=key)


def test_empty_path_is_refused() -> None:
    """It used to be the working directory: the ledger was written there, and chmod 600 advised for it."""
    text = " = '': write a path without control characters and spaces at the ends"
    shown = check("--data-dir", "", ops_token_file="")
    assert errors(shown) == [f"data_dir{text}", f"SESSION_EXPORTER_OPS_TOKEN_FILE{text}"]
    assert "warning" not in shown.stderr


def test_check_warns_of_runbook_links_to_loopback() -> None:
    settings = {"ops": "0.0.0.0:0", "allow_anonymous": "ops"}
    assert warnings(**settings) == (
        "warning: runbook links begin with http://localhost:0, which opens on this machine only: set "
        "runbook_url to the address of the ops listener that on-call uses\n"
    )
    assert warnings(**settings, runbook_url="https://ops.example/") == ""
