"""`check` reports every mistake in one run, and `serve` refuses to start with the same lines."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.commands.running import call, run, write
from tests.e2e.exporter_process import ROOT
from tests.server.conftest import openssl

KEY_FILE = "sites:\n  - site: Shop\n    system: softdrive\n    origins: []\n    keys: []\n"


def check(*given: object, **settings: object) -> "subprocess.CompletedProcess[str]":
    """`check` with free ports and these settings as variables."""
    variables = {"ingest": "127.0.0.1:0", "ops": "127.0.0.1:0"} | settings
    return call(
        "check", *given, **{f"SESSION_EXPORTER_{k.upper()}": str(v) for k, v in variables.items()}
    )


def errors(shown: "subprocess.CompletedProcess[str]") -> list[str]:
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "Traceback" not in shown.stderr
    lines = shown.stderr.splitlines()
    return [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]


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
        "SESSION_EXPORTER_LABLES: no such setting; similar: labels, max_label_values",
        f"{config}: labels = ['region', 'region']: 'region' is listed twice; write it once",
        f"{config}: max_body = '1MB': write bytes or a size such as 1MiB",
        f"{config}: max_events = 0: write at least 1",
        "SESSION_EXPORTER_LOG_LEVEL = 'loud': write 'debug', 'info', 'warning' or 'error'",
        f"{config}: opps: no such setting; similar: ops",
        f"{config}: ledger_wait = 'aof': needs ledger: set it to the URL of Redis or Valkey",
        f"{config}: ops = '127.0.0.1:10400': ingest has the same address; choose another port",
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
            f"ops_tls_cert = '{tmp_path}/no.pem': No such file or directory",
        }
        # The texts of these files' mistakes are in the tests of their readers.
        places = (f"{overlay}:1: ", f"{system}:1: ", f"{sites}:2: ")
        assert all(any(line.startswith(place) for line in lines) for place in places)


def test_check_warns_of_a_port_in_use_and_serve_refuses_it(tmp_path: Path) -> None:
    """A running exporter uses the ports when `check` runs; that is not a mistake in the configuration."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        text = (
            f"ops = '{address}': the port is in use: choose another port, or stop the process that "
            "listens on it"
        )
        shown = check(ops=address)
        assert (shown.returncode, shown.stderr) == (0, f"warning: {text}\n")
        bad = write(tmp_path / "tokens", "short\n")
        free = ("--ingest", "127.0.0.1:0")
        served = run("serve", *free, "--ops", address, SESSION_EXPORTER_INGEST_TOKEN_FILE=str(bad))
        assert errors(served) == [f"{bad}:1: the token has 5 characters: use at least 16", text]


def test_check_reports_wrong_overlays_with_line_field_and_remedy(tmp_path: Path) -> None:
    shipped = ROOT / "exporter" / "taxonomy" / "streampixel.yaml"
    for file, text in {
        "alias": 'extends: streampixel\ncodes:\n  - code: "4006"\n    aliases: [Application Not Found]\n',
        "copied": shipped.read_text(),
        "key": "extends: streampixel\ntitle: Mine\n",
        "new": 'extends: streampixel\ncodes:\n  - code: "4066"\n    severity: page\n    owner: client\n',
        "system": "extends: streampixl\n",
        "twice-a": 'extends: softdrive\ncodes:\n  - code: "08"\n    fix: Use one monitor.\n',
        "twice-b": 'extends: softdrive\ncodes:\n  - code: "08"\n    fix: Use two monitors.\n',
        "unknown": "extends: softdrive\ncodes:\n  - code: unknown\n    severity: page\n",
        "value": 'extends: softdrive\ncodes:\n  - code: "08"\n    severity: never\n    page: x\n',
    }.items():
        write(tmp_path / f"{file}.yaml", text)
    lines = shipped.read_text().splitlines()
    system, name = (
        lines.index(text) + 1 for text in ("system: streampixel", "    name: Application Not Found")
    )
    assert errors(check("--taxonomy", tmp_path)) == [
        f"{tmp_path}/{message}"
        for message in (
            f"copied.yaml:{system}: system 'streampixel' is loaded already, from {shipped}; "
            'to change it, write "extends: streampixel" in place of "system: streampixel", and only '
            "what differs",
            "key.yaml:2: unknown key 'title' in the overlay; allowed are extends, objective, codes",
            "system.yaml:1: extends 'streampixl' in the overlay is not allowed; allowed are softdrive, "
            "streampixel",
            "twice-b.yaml:4: fix in code '08' has another value on "
            f"{tmp_path}/twice-a.yaml:4; overlays must agree: remove one of the two",
            "value.yaml:5: unknown key 'page' in code '08'; allowed are code, name, phase, category, "
            "outcome, owner, severity, description, causes, fix, aliases, planned, spike_floor",
            "value.yaml:4: severity 'never' in code '08' is not allowed; allowed are page, ticket, none",
            "unknown.yaml:3: code 'unknown' is reserved for undocumented codes; it can't be written or "
            "changed",
            "new.yaml:3: streampixel has no code '4066', and a new code needs name, phase, category, "
            "outcome, description, causes, fix too; correct the code, or add these keys",
            "alias.yaml:4: 'application not found' would mean code '4006' and code '4002' "
            f"({shipped}:{name}); a spelling means one code: remove it from one of "
            "the two",
        )
    ]


def test_check_reports_a_certificate_and_key_that_do_not_match(tmp_path: Path) -> None:
    for name in ("a", "b"):
        openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=a "
            f"-keyout {tmp_path}/{name}.key -out {tmp_path}/{name}.crt"
        )
    assert errors(check(ops_tls_cert=tmp_path / "a.crt", ops_tls_key=tmp_path / "b.key")) == [
        f"ops_tls_cert = '{tmp_path}/a.crt' and ops_tls_key = '{tmp_path}/b.key': not a PEM certificate "
        "and its unencrypted key: KEY_VALUES_MISMATCH"
    ]


@pytest.mark.parametrize("text", [None, "a = \n"])
def test_check_names_a_settings_file_that_can_not_be_read(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "exporter.toml"
    if text is not None:
        write(path, text)
    (error,) = errors(check("--config", path))
    assert error.startswith(f"{path}: {'not TOML: ' if text else 'No such file or directory'}")


def test_check_warns_of_secrets_that_other_users_can_read(tmp_path: Path) -> None:
    tokens = write(tmp_path / "tokens", "0123456789abcdef\n")
    tokens.chmod(0o640)
    shown = check(ingest_token_file=tokens)
    assert (shown.returncode, shown.stderr) == (
        0,
        f"warning: {tokens}: other users can read this file: run chmod 600 {tokens}\n",
    )


def test_check_refuses_a_secret_that_is_a_pipe(tmp_path: Path) -> None:
    """`serve` reads a secret twice: the second read of a pipe would be empty or block the start."""
    pipe = tmp_path / "tokens"
    os.mkfifo(pipe, 0o600)
    message = f"ingest_token_file = '{pipe}': write the path of a regular file"
    assert errors(check(ingest_token_file=pipe)) == [message]


def test_check_warns_of_runbook_links_to_loopback() -> None:
    shown = check(ops="0.0.0.0:0", allow_anonymous="ops")
    assert (shown.returncode, shown.stderr) == (
        0,
        "warning: runbook links begin with http://localhost:0, which opens on this machine only: set "
        "runbook_url to the address of the ops listener that on-call uses\n",
    )
    url = "https://ops.example/"
    assert check(ops="0.0.0.0:0", allow_anonymous="ops", runbook_url=url).stderr == ""
