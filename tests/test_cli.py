"""The commands, as people run them: a process each, in a terminal of 80 columns."""

import http.client
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

import exporter as package
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for

COMMAND = (sys.executable, "-m", "exporter")
CONFIGURED = ("--config", "--ingest", "--ops", "--data-dir", "--taxonomy")
OPTIONS = {
    "serve": CONFIGURED,
    "check": (*CONFIGURED, "--policy"),
    "codes": ("QUERY", "--config", "--taxonomy", "--json"),
    "send": (
        *("FILE", "--url", "--token-file", "--ca-file", "--format"),
        *("--batch", "--max-wait", "--quiet", "--json"),
    ),
    "render": (
        *("--out", "--check", "--config", "--taxonomy", "--policy"),
        *("--runbook-base-url", "--dashboard-base-url"),
    ),
    "simulate": (
        *("--url", "--openmetrics", "--ndjson", "--system", "--ends-per-hour", "--days", "--hours"),
        *("--for", "--start", "--incident", "--speed", "--seed", "--token-file"),
        "--list-incidents",
    ),
    "backtest": (
        *("FILE", "--system", "--since", "--until", "--taxonomy", "--policy", "--format"),
        "--json",
    ),
}
TOKENS = {name: f"{name}-token-that-is-long-enough-0123456789" for name in ("one", "two", "ops")}


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if "SESSION_EXPORTER" not in key}
    return {**clean, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **variables}


def run(
    *arguments: object, stdin: str = "", **variables: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(variables),
        check=False,
    )


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


# --- help and usage -------------------------------------------------------------------------------


def test_help_names_every_command_with_what_it_does() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    commands = shown.stdout.partition("Commands:")[2]
    listed = dict(re.findall(r"^  (\w+) +(\S.*)$", commands, re.MULTILINE))
    assert set(listed) == set(OPTIONS)
    assert not [text for text in listed.values() if text.endswith("...")], "cut off"


@pytest.mark.parametrize("command", OPTIONS)
def test_help_of_a_command_names_its_options_in_eighty_columns(command: str) -> None:
    shown = run(command, "--help")
    assert shown.returncode == 0
    assert max(map(len, shown.stdout.splitlines())) <= 80
    for option in OPTIONS[command]:
        assert option in shown.stdout
    listed = set(re.findall(r"--[a-z-]+", shown.stdout.partition("Options:")[2]))
    assert listed == {one for one in OPTIONS[command] if one.startswith("-")} | {"--help"}


def test_the_version_is_the_packages() -> None:
    shown = run("--version")
    assert (shown.returncode, shown.stdout) == (0, f"session-end-exporter {package.__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("serve", "--nonsense"), ("send",), ("send", "x", "--format", "xml"), ()],
    ids=" ".join,
)
def test_wrong_usage_is_explained_and_exits_with_2(arguments: Sequence[str]) -> None:
    shown = run(*arguments)
    assert shown.returncode == 2
    assert "Usage:" in shown.stdout + shown.stderr
    assert "Traceback" not in shown.stderr


# --- check ----------------------------------------------------------------------------------------


def test_check_says_ok_in_a_line_with_the_systems() -> None:
    shown = run("check")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == "ok: softdrive (24 codes), streampixel (12 codes)\n"


def test_check_prints_every_mistake_with_its_file_or_variable(tmp_path: Path) -> None:
    config = write(tmp_path / "s.toml", 'max_events = 0\nopps = "127.0.0.1:1"\n')
    (tmp_path / "codes").mkdir()
    bad = write(tmp_path / "codes" / "mine.yaml", "system: mine\nnonsense: 1\n")
    shown = run(
        *("check", "--config", config, "--taxonomy", tmp_path / "codes"),
        SESSION_EXPORTER_MAX_BODY="much",
        SESSION_EXPORTER_MAX_BODDY="1",
    )
    assert (shown.returncode, shown.stdout) == (1, "")
    lines = shown.stderr.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    for place in (
        f"{config}: max_events = 0",
        f"{config}: opps",
        "SESSION_EXPORTER_MAX_BODY = 'much'",
        "SESSION_EXPORTER_MAX_BODDY",
        f"{bad}:",
    ):
        assert [line for line in lines if place in line], place


def test_check_looks_into_token_and_certificate_files(tmp_path: Path) -> None:
    tokens = write(tmp_path / "tokens", "short\n")
    shown = run(
        "check",
        SESSION_EXPORTER_INGEST_TOKEN_FILE=str(tokens),
        SESSION_EXPORTER_OPS_TOKEN_FILE=str(tmp_path / "none"),
        SESSION_EXPORTER_OPS_TLS_CERT=str(tokens),
        SESSION_EXPORTER_OPS_TLS_KEY=str(tokens),
    )
    assert shown.returncode == 1
    errors = [line for line in shown.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 3, shown.stderr
    assert f"{tokens}:1" in errors[0]
    assert f"{tmp_path / 'none'}: No such file" in errors[1]
    assert "ops_tls_cert" in errors[2]
    assert "short" not in shown.stderr, "a token is never shown"


def test_check_names_a_settings_file_that_is_missing_or_no_toml(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", write(tmp_path / "bad.toml", "a = \n")):
        shown = run("check", "--config", path)
        assert shown.returncode == 1
        assert shown.stderr.startswith(f"error: {path}: ")
        assert len(shown.stderr.splitlines()) == 1


# --- codes ----------------------------------------------------------------------------------------


def test_codes_shows_a_code_and_exits_with_1_for_nonsense() -> None:
    shown = run("codes", 4001)
    assert shown.returncode == 0
    assert shown.stdout.startswith("Streampixel 4001  No Worker Node Available\n")
    assert max(map(len, shown.stdout.splitlines())) <= 80
    shown = run("codes", "nonsense")
    assert shown.returncode == 1
    assert shown.stdout.startswith("No code matches 'nonsense'.")
    assert json.loads(run("codes", 4001, "--json").stdout)[0]["code"] == "4001"
    assert run("codes", "nonsense", "--json").returncode == 1


def test_codes_knows_the_systems_that_are_configured(tmp_path: Path) -> None:
    folder = own_system(tmp_path)
    config = write(tmp_path / "s.toml", f"taxonomy = ['{folder}']\n")
    for way in (
        run("codes", "mine", "--config", config),
        run("codes", "mine", "--taxonomy", folder),
        run("codes", "mine", SESSION_EXPORTER_TAXONOMY=str(folder)),
        run("codes", "mine", SESSION_EXPORTER_CONFIG=str(config)),
    ):
        assert (way.returncode, way.stderr) == (0, "")
        assert "4001" in way.stdout
    assert run("codes", "mine").returncode == 1


def test_codes_answers_although_some_variable_is_wrong() -> None:
    shown = run("codes", 4001, SESSION_EXPORTER_OPS="nowhere")
    assert shown.returncode == 0
    assert "No Worker Node Available" in shown.stdout
    assert shown.stderr.startswith("warning: SESSION_EXPORTER_OPS = 'nowhere'")
    assert run("codes", 4001, "--config", "/none.toml").returncode == 1


def own_system(tmp_path: Path) -> Path:
    folder = tmp_path / "codes"
    folder.mkdir()
    text = (ROOT / "exporter" / "taxonomy" / "streampixel.yaml").read_text()
    text = re.sub(r"^system: streampixel$", "system: mine", text, flags=re.MULTILINE)
    (folder / "mine.yaml").write_text(text)
    return folder


# --- send -----------------------------------------------------------------------------------------


@pytest.fixture
def running(tmp_path: Path) -> Iterator[ExporterProcess]:
    with ExporterProcess(tmp_path / "data") as started:
        yield started


def url(running: ExporterProcess, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{running.ports['ingest']}"


def events(count: int, first: int = 0) -> str:
    one = '{"id":"e-%d","system":"streampixel","code":4001}\n'
    return "".join(one % number for number in range(first, first + count))


def summary(done: "subprocess.CompletedProcess[str]") -> dict[str, object]:
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_send_posts_ndjson_csv_and_standard_input_and_repeats_as_duplicates(
    tmp_path: Path, running: ExporterProcess
) -> None:
    lines = write(tmp_path / "a.ndjson", events(700))
    rows = "".join(f"softdrive,08,s-{number}\n" for number in range(50))
    table = write(tmp_path / "b.csv", f"system,code,session_id\n{rows}")
    for accepted in (760, 0):
        done = run(
            *("send", lines, table, "-", "--url", url(running), "--json"), stdin=events(10, 900)
        )
        assert done.returncode == 0, done.stderr
        said = summary(done)
        assert (said["read"], said["accepted"], said["duplicates"]) == (
            760,
            accepted,
            760 - accepted,
        )
        assert running.total("session_ends_total", system="streampixel") == 710
        assert running.total("session_ends_total", system="softdrive", code="08") == 50
    plain = run("send", lines, "--url", url(running))
    assert re.match(r"700 read, 0 accepted, 700 duplicates, .* seconds\n$", plain.stdout)


def test_send_exits_with_1_for_rejected_events_and_2_when_nobody_answers(
    tmp_path: Path, running: ExporterProcess
) -> None:
    mixed = write(tmp_path / "a.ndjson", events(1) + '{"system":"nowhere"}\nno json\n')
    done = run("send", mixed, "--url", url(running))
    assert done.returncode == 1
    assert f"{mixed}" in done.stdout
    assert "1 accepted" in done.stdout
    running.stop()
    away = run("send", mixed, "--url", url(running), "--max-wait", 0.2)
    assert away.returncode == 2
    assert "Traceback" not in away.stderr
    assert run("send", tmp_path / "none.csv").returncode == 2


def test_send_that_is_killed_half_way_and_run_again_counts_everything_once(
    tmp_path: Path, running: ExporterProcess
) -> None:
    """Fails when ids are made anew at each run; `accepted` of the second shows the kill hit half way."""
    row = "streampixel,4001,s-%d\n"
    table = write(
        tmp_path / "a.csv",
        "system,code,session_id\n" + "".join(row % number for number in range(50_000)),
    )
    arguments = ["send", str(table), "--url", url(running), "--batch", "100", "--json"]
    first = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment({}),
    )
    try:
        wait_for(lambda: running.total("session_ends_total") > 0, what="a first batch")
    finally:
        first.kill()
        first.wait()
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    said = summary(done)
    assert said["read"] == 50_000
    assert 0 < int(str(said["accepted"])) < 50_000
    assert int(str(said["accepted"])) + int(str(said["duplicates"])) == 50_000
    assert running.total("session_ends_total") == 50_000


# --- serve: who may come in -----------------------------------------------------------------------


@pytest.mark.parametrize("listener", ["ingest", "ops"])
def test_serve_does_not_leave_loopback_without_a_token(tmp_path: Path, listener: str) -> None:
    arguments = ("serve", "--data-dir", tmp_path / "data", f"--{listener}", "0.0.0.0:0")
    done = run(*arguments)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"{listener}_token_file" in done.stderr
    assert not (tmp_path / "data").exists()


def test_tokens_open_each_listener_rotate_without_a_restart_and_leave_health_open(
    tmp_path: Path,
) -> None:
    """Fails when one listener's token opens the other, or when the file is read only once."""
    senders = write(tmp_path / "senders", f"# ours\n{TOKENS['one']}\n")
    people = write(tmp_path / "people", f"{TOKENS['ops']}\n")
    settings = {"ingest_token_file": senders, "ops_token_file": people}

    with ExporterProcess(tmp_path / "data", settings=settings) as running:

        def post(token: str | None) -> int:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return running.post({"system": "softdrive"}, **headers).status

        def look(path: str, token: str | None) -> int:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return running.request("ops", "GET", path, headers=headers).status

        assert [post(None), post(TOKENS["ops"]), post(TOKENS["one"])] == [401, 401, 200]
        assert [look("/metrics", token) for token in (None, TOKENS["one"])] == [401, 401]
        assert look("/metrics", TOKENS["ops"]) == 200
        assert [look(path, None) for path in ("/-/healthy", "/-/ready")] == [200, 200]
        assert [look(path, None) for path in ("/", "/docs", "/nowhere")] == [401, 401, 401]

        write(senders, f"{TOKENS['two']}\n")
        wait_for(lambda: post(TOKENS["two"]) == 200, what="the new token")
        assert post(TOKENS["one"]) in (401, 429)
        assert look("/metrics", TOKENS["ops"]) == 200

        lines = write(tmp_path / "a.ndjson", events(3))
        refused = run("send", lines, "--url", url(running), "--max-wait", 0)
        assert refused.returncode == 2
        sent = run("send", lines, "--url", url(running), "--token-file", senders, "--json")
        assert summary(sent)["accepted"] == 3
        for secret in TOKENS.values():
            assert secret not in running.log + sent.stderr + refused.stderr + refused.stdout


def test_the_curl_line_of_a_guarded_exporter_works_and_shows_no_token(tmp_path: Path) -> None:
    senders = write(tmp_path / "senders", f"# ours\n{TOKENS['one']}\n")
    with ExporterProcess(tmp_path / "data", settings={"ingest_token_file": senders}) as running:
        assert TOKENS["one"] not in running.announced
        (line,) = (line for line in running.announced.splitlines() if "curl" in line)
        done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["accepted"] == 1


def test_tls_is_spoken_to_whoever_trusts_the_certificate(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", cert),
        ],
        check=True,
        capture_output=True,
    )
    settings = {
        **{f"{name}_tls_cert": cert for name in ("ingest", "ops")},
        **{f"{name}_tls_key": key for name in ("ingest", "ops")},
    }
    with ExporterProcess(tmp_path / "data", settings=settings) as running:
        assert running.announced.count("https://") >= 3
        lines = write(tmp_path / "a.ndjson", events(5))
        sent = run("send", lines, "--url", url(running, "https"), "--ca-file", cert, "--json")
        assert summary(sent)["accepted"] == 5
        distrusted = run("send", lines, "--url", url(running, "https"), "--max-wait", 0)
        assert distrusted.returncode == 2
        assert "certificate" in distrusted.stdout + distrusted.stderr
        trusting = ssl.create_default_context(cafile=str(cert))
        ops = http.client.HTTPSConnection("127.0.0.1", running.ports["ops"], context=trusting)
        ops.request("GET", "/metrics")
        text = ops.getresponse().read().decode()
        ops.close()
        assert re.search(r'session_ends_total\{.*code="4001".* 5\.?0?$', text, re.MULTILINE)
        (line,) = (line for line in running.announced.splitlines() if "curl" in line)
        done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["accepted"] == 1


def test_render_writes_a_pack_and_its_check_sees_an_edit(tmp_path: Path) -> None:
    out = ("render", "--out", str(tmp_path / "pack"))
    assert run(*out).returncode == 0
    assert run(*out, "--check").returncode == 0
    rules = tmp_path / "pack" / "rules" / "windows.yml"
    rules.write_text(rules.read_text().replace("0.02", "0.2"))
    checked = run(*out, "--check")
    assert checked.returncode == 1
    assert "rules/windows.yml" in checked.stdout + checked.stderr
