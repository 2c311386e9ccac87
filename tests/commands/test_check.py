"""`check` as people run it."""

from pathlib import Path

from tests.commands.running import run, write
from tests.e2e.exporter_process import ROOT


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


def test_check_refuses_wrong_overlays_each_with_its_line_field_and_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    folder.mkdir()
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
        write(folder / f"{file}.yaml", text)
    shown = run("check", "--taxonomy", folder)
    lines = shipped.read_text().splitlines()
    system, name = (
        lines.index(text) + 1 for text in ("system: streampixel", "    name: Application Not Found")
    )
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.splitlines() == [
        f"error: {folder}/{message}"
        for message in (
            f"copied.yaml:{system}: system 'streampixel' is loaded already, from {shipped}; "
            'to change it, write "extends: streampixel" in place of "system: streampixel", and only '
            "what differs",
            "key.yaml:2: unknown key 'title' in the overlay; allowed are extends, objective, codes",
            "system.yaml:1: extends 'streampixl' in the overlay is not allowed; allowed are softdrive, "
            "streampixel",
            "twice-b.yaml:4: fix in code '08' has another value on "
            f"{folder}/twice-a.yaml:4; overlays must agree: remove one of the two",
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
