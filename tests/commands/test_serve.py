"""Tokens, TLS, addresses, standard streams and rejections of `serve`."""

import http.client
import json
import re
import ssl
import sys
from pathlib import Path

import pytest

from exporter.commands.serve import announce
from exporter.settings import Settings
from tests.commands.running import call, url, write
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.programs import finished, output
from tests.server.conftest import openssl

TOKENS = {
    name: f"{name}-token-that-is-long-enough-0123456789" for name in ("sender", "next", "ops")
}
GARBAGE = "import atexit, gc, sys\natexit.register(lambda: print(gc.isenabled(), file=sys.stderr))"
"""Prints at exit whether garbage collection is on; it is off during the start."""


def curl(running: ExporterProcess) -> object:
    """The answer to the curl command that `serve` prints."""
    (line,) = (line for line in running.announced.splitlines() if "curl" in line)
    return json.loads(output("sh", "-c", line))["accepted"]


def test_tokens_protect_each_listener_and_rotate_without_a_restart(tmp_path: Path) -> None:
    """Fails when a token of one listener is accepted by the other, or when the file is read only once."""
    # The printed curl command quotes the path, and skips blank lines and comments.
    senders = write(tmp_path / "our senders", f"\n# ours\n  \n{TOKENS['sender']}\n")
    people = write(tmp_path / "people", f"{TOKENS['ops']}\n")
    settings = {"ingest_token_file": senders, "ops_token_file": people}

    with ExporterProcess(tmp_path / "data", settings=settings) as running:

        def bearer(token: str | None) -> dict[str, str]:
            return {"Authorization": f"Bearer {token}"} if token else {}

        def post(token: str | None) -> int:
            return running.post({"system": "softdrive"}, **bearer(token)).status

        def look(path: str, token: str | None) -> int:
            return running.request("ops", "GET", path, headers=bearer(token)).status

        assert TOKENS["sender"] not in running.announced
        assert curl(running) == 1
        assert [post(None), post(TOKENS["ops"]), post(TOKENS["sender"])] == [401, 401, 200]
        assert [look("/metrics", token) for token in (None, TOKENS["sender"])] == [401, 401]
        assert look("/metrics", TOKENS["ops"]) == 200
        assert [look(path, None) for path in ("/-/healthy", "/-/ready")] == [200, 200]
        assert [look(path, None) for path in ("/", "/docs", "/nowhere")] == [401, 401, 401]

        write(senders, f"{TOKENS['next']}\n")
        wait_for(lambda: post(TOKENS["next"]) == 200, what="the new token")
        assert post(TOKENS["sender"]) in (401, 429)
        assert look("/metrics", TOKENS["ops"]) == 200

        lines = write(tmp_path / "a.ndjson", '{"system": "streampixel", "code": 4001}\n' * 3)
        refused = call("send", lines, "--url", url(running), "--max-wait", 0)
        assert refused.returncode == 2
        sent = call("send", lines, "--url", url(running), "--token-file", senders, "--json")
        assert json.loads(sent.stdout)["accepted"] == 3
        for secret in TOKENS.values():
            assert secret not in running.log + sent.stderr + refused.stderr + refused.stdout


def test_tls_is_served_and_untrusted_certificates_are_explained(tmp_path: Path) -> None:
    """Also fails if garbage collection stays off after the start."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
    )
    settings = dict.fromkeys(("ingest_tls_cert", "ops_tls_cert"), cert)
    settings |= dict.fromkeys(("ingest_tls_key", "ops_tls_key"), key)
    with ExporterProcess(tmp_path / "data", settings=settings, mutant=GARBAGE) as running:
        assert running.announced.count("https://") >= 3
        lines = write(tmp_path / "a.ndjson", '{"system": "streampixel", "code": 4001}\n' * 5)
        sent = call("send", lines, "--url", url(running, "https"), "--ca-file", cert, "--json")
        assert json.loads(sent.stdout)["accepted"] == 5
        untrusted = call("send", lines, "--url", url(running, "https"))
        assert untrusted.returncode == 2
        assert (
            "not trusted: self-signed certificate. Give its CA with --ca-file" in untrusted.stdout
        )
        renamed = url(running, "https").replace("127.0.0.1", "127.1")
        mismatch = call("send", lines, "--url", renamed, "--ca-file", cert).stdout
        assert "Hostname mismatch, certificate is not valid for '127.1'.\n" in mismatch
        trusting = ssl.create_default_context(cafile=str(cert))
        ops = http.client.HTTPSConnection("127.0.0.1", running.ports["ops"], context=trusting)
        ops.request("GET", "/metrics")
        text = ops.getresponse().read().decode()
        ops.close()
        assert re.search(r'session_ends_total\{.*code="4001".* 5\.?0?$', text, re.MULTILINE)
        assert curl(running) == 1
        assert running.stop() == 0
        assert "True" in running.log.splitlines()


def test_listener_on_all_addresses_is_shown_as_loopback(capsys: pytest.CaptureFixture[str]) -> None:
    announce(Settings(), {"ingest": ("0.0.0.0", 10400), "ops": ("::", 10401)})
    shown = capsys.readouterr().out
    assert "http://localhost:10400/v1/session-ends" in shown
    assert "http://localhost:10401/metrics" in shown


@pytest.mark.usefixtures("capsys")
def test_file_name_that_is_not_utf_8_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(ingest_token_file=Path("tokens\udcff"))
    announce(settings, {"ingest": ("0.0.0.0", 1), "ops": ("::1", 2)})
    fields = vars(caplog.records[0])["fields"]
    assert "surrogates not allowed" in fields["error"]
    assert (fields["ingest"], fields["ops"]) == ("http://localhost:1", "http://[::1]:2")


@pytest.mark.parametrize("statement", ["streams.reserve()", ""])
def test_file_does_not_get_the_descriptor_of_a_closed_stderr(
    statement: str, tmp_path: Path
) -> None:
    """Fails without `reserve`: the next file gets descriptor 2."""
    code = f"""
import os, sys
from exporter import streams
{statement}
with open(sys.argv[1], "w") as file:
    os.write(2, b"what a library writes to stderr")
"""
    path = tmp_path / "file"
    finished("sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", code, path)
    assert (path.read_text() == "") == bool(statement)


def test_send_prints_field_and_rule_of_each_rejected_event(
    tmp_path: Path, running: ExporterProcess
) -> None:
    """The exporter validates values in every format; an invalid value affects no other event."""
    rules = {
        '"code": 1.5': "code: must be an integer or a string, not a number",
        '"duration_seconds": 1e999': "not JSON: Infinity is not a JSON number",
        f'"id": "{"é" * 65}"': "id: must",
    }
    lines = "".join(f'{{"system": "softdrive", {field}}}\n' for field in rules)
    path = write(tmp_path / "a.ndjson", lines + '{"code": "01"}\n{"system": "softdrive"}\n')
    done = call("send", path, "--url", url(running))
    assert done.returncode == 1
    for line, rule in enumerate([*rules.values(), "system: required"], 1):
        assert f"{path}:{line}: rejected: {rule}" in done.stdout
    assert "5 read, 1 accepted, 0 duplicates, 4 rejected, 0 skipped" in done.stdout
