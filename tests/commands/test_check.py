"""`check` as people run it."""

from pathlib import Path

from tests.commands.running import run, write


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


def test_check_warns_of_runbooks_on_loopback_while_the_ops_listener_is_not() -> None:
    open_ops = {
        "SESSION_EXPORTER_OPS": "0.0.0.0:10401",
        "SESSION_EXPORTER_ALLOW_ANONYMOUS": "ops",
    }
    shown = run("check", **open_ops)
    assert shown.returncode == 0
    assert shown.stderr == (
        "warning: runbooks are linked as http://localhost:10401, which opens on this machine only; set "
        "runbook_url to the address of the ops listener that on-call uses\n"
    )
    named = run("check", SESSION_EXPORTER_RUNBOOK_URL="https://ops.example/", **open_ops)
    assert (named.returncode, named.stderr) == (0, "")


def test_check_refuses_base_urls_of_links_that_are_no_urls() -> None:
    shown = run("check", SESSION_EXPORTER_DASHBOARD_URL="grafana.example")
    assert shown.returncode == 1
    assert "SESSION_EXPORTER_DASHBOARD_URL = 'grafana.example'" in shown.stderr
    assert "such as https://ops.example.com" in shown.stderr
