"""deploy/Containerfile: its instructions, and its build steps run outside of a container engine."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

import exporter
from exporter import names
from exporter.commands.export import SETS, contents
from exporter.settings import Settings
from tests.e2e.exporter_process import ROOT, ExporterProcess
from tests.programs import finished, output

PATH = ROOT / "deploy/Containerfile"
Stage = list[tuple[str, str]]
"""Instruction and its text, with continued lines joined."""


def _stages() -> list[Stage]:
    text = re.sub(r"^\s*#.*\n", "", PATH.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    stages: list[Stage] = []
    for word, _, rest in (line.partition(" ") for line in lines if line):
        if word == "FROM":
            stages.append([])
        if stages:
            stages[-1].append((word, rest.strip()))
    return stages


BUILD, IMAGE = _stages()


def texts(word: str, stage: Stage) -> list[str]:
    """The texts of the instructions `word`."""
    return [text for instruction, text in stage if instruction == word]


DATA = "/var/lib/session-end-exporter"
VARIABLES = dict(pair.split("=", 1) for text in texts("ENV", IMAGE) for pair in text.split())
COPIED = [
    name
    for text in texts("COPY", BUILD) + texts("COPY", IMAGE)
    if "--from=" not in text
    for name in text.split()[:-1]
]
"""Paths of the repository that the image contains."""


def test_hadolint_accepts_the_containerfile(tmp_path: Path) -> None:
    """Neither a pragma in the file nor a user's configuration turns a rule off."""
    done = finished(
        Path(sys.executable).with_name("hadolint"),
        *("--no-color", "--disable-ignore-pragma", "--failure-threshold=style", PATH),
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_image_runs_as_a_numeric_user() -> None:
    assert texts("USER", IMAGE) == ["10001:10001"]
    words = [word for word, _ in IMAGE]
    assert "RUN" not in words[words.index("USER") :]


def test_build_fetches_only_packages_with_locked_hashes() -> None:
    assert texts("ADD", BUILD) + texts("ADD", IMAGE) == []
    commands = "&&".join(texts("RUN", BUILD) + texts("RUN", IMAGE)).split("&&")
    installs = [command for command in commands if re.search(r"\bpip .*(install|wheel)", command)]
    assert len(installs) == 4
    for command in installs:
        hashed = "--require-hashes -r requirements" in command and "--only-binary :all:" in command
        assert hashed or ("--no-index" in command and "--no-deps" in command), command
    assert not re.search(
        r"apt-get|curl |wget |git clone|https?://(?!127)|pip download", PATH.read_text()
    )


def test_build_context_is_what_the_image_copies() -> None:
    """No other file gets into an image, such as a ledger, a token or the git history."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    assert patterns[-1] == "**/__pycache__"
    assert {pattern.removeprefix("!") for pattern in patterns[1:-1]} == set(COPIED)
    assert all(pattern.startswith("!") for pattern in patterns[1:-1])
    assert all((ROOT / name).exists() for name in COPIED)


def test_data_folder_is_a_volume_of_the_image_user() -> None:
    assert [json.loads(text) for text in texts("VOLUME", IMAGE)] == [[DATA]]
    assert VARIABLES["SESSION_EXPORTER_DATA_DIR"] == DATA
    assert f"install -d -o 10001 -g 10001 -m 0700 {DATA}" in texts("RUN", IMAGE)
    assert VARIABLES["PYTHONDONTWRITEBYTECODE"] == "1"


def test_image_starts_the_exporter_on_its_default_ports() -> None:
    command = json.loads(*texts("ENTRYPOINT", IMAGE)) + json.loads(*texts("CMD", IMAGE))
    assert command == ["session-end-exporter", "serve"]
    defaults = [
        Settings.model_fields[name].default.rpartition(":")[2] for name in ("ingest", "ops")
    ]
    assert texts("EXPOSE", IMAGE) == [" ".join(defaults)]


def test_image_labels_are_those_of_the_package() -> None:
    (text,) = texts("LABEL", IMAGE)
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', text))
    assert labels["version"] == exporter.__version__
    project = (ROOT / "pyproject.toml").read_text()
    for field in ("title", "description", "licenses"):
        assert f'= "{labels[field]}"' in project


def health(port: int) -> int:
    """The exit code of the image's health check of an exporter on this port."""
    (text,) = texts("HEALTHCHECK", IMAGE)
    python, *arguments = json.loads(text.partition("CMD ")[2])
    assert python == "python"
    # No proxy listens at this address: the health check must not use a proxy.
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:1"}
    arguments = [part.replace("10401", str(port)) for part in arguments]
    return finished(sys.executable, *arguments, env=environment, timeout=30).returncode


def test_health_check_succeeds_only_for_a_running_exporter(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "data") as running:
        port = running.ports["ops"]
        assert health(port) == 0
        # The ingest listener has no health page: any other answer must not count as healthy.
        assert health(running.ports["ingest"]) != 0
    assert health(port) != 0


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installation that the RUN lines of the build stage make in a folder of the test."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "src"
    source.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, source)
    variables = dict(pair.split("=", 1) for text in texts("ENV", BUILD) for pair in text.split())
    # Python and pip of the tests, in place of those of the base image.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for text in texts("RUN", BUILD):
        command = re.sub(r"(?<![\w.])/(opt|wheels)\b", rf"{folder}/\1", text)
        # Compiling all packages takes ten seconds.
        command = command.replace("compileall", "compileall -x 'site-packages/(?!exporter/)'")
        environment = {**os.environ, **variables, "PIP_NO_CACHE_DIR": "0", "PATH": path}
        output("sh", "-c", command, cwd=source, env=environment)
    return folder / "opt/session-end-exporter"


def test_build_steps_leave_compiled_files_and_no_pip(built: Path) -> None:
    assert [*built.glob("lib/python*/site-packages/exporter/__pycache__/cli.*.pyc")]
    assert not (built / "bin/pip").exists()


def run(folder: Path, *command: str | Path) -> str:
    """The output of a command in the folder, which must write nothing to standard error."""
    ports = {f"SESSION_EXPORTER_{name}": "127.0.0.1:0" for name in ("INGEST", "OPS")}
    environment = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **ports}
    done = finished(*command, cwd=folder, env=environment)
    assert (done.returncode, done.stderr) == (0, ""), command
    return done.stdout


def test_installed_commands_work_outside_of_the_checkout(built: Path, tmp_path: Path) -> None:
    program = built / "bin/session-end-exporter"
    assert run(tmp_path, program, "--version") == f"session-end-exporter {exporter.__version__}\n"
    assert run(tmp_path, program, "check").startswith("ok: softdrive (")
    assert "No Worker Node Available" in run(tmp_path, program, "codes", "4001")


def test_installation_exports_the_files_of_the_checkout(built: Path, tmp_path: Path) -> None:
    """All sets in one process, which takes less time than nine."""
    code = (
        "from pathlib import Path\n"
        "from exporter.commands.export import SETS, write\n"
        "for name in SETS: write(name, Path(name))"
    )
    run(tmp_path, built / "bin/python", "-c", code)
    for name in SETS:
        written = {path for path in (tmp_path / name).rglob("*") if path.is_file()}
        expected = {tmp_path / name / path: content for path, content in contents(name).items()}
        assert {path: path.read_bytes() for path in written} == expected


def test_installed_exporter_counts_and_serves_runbooks_and_writes_only_to_its_data_folder(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exporter runs with a read-only root."""
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", VARIABLES["PYTHONDONTWRITEBYTECODE"])
    program = [built / "bin/session-end-exporter"]
    with ExporterProcess(tmp_path / "data", program=program) as running:
        event = {"id": "a", "system": "streampixel", "code": 4001}
        assert running.post(event).json["accepted"] == 1
        assert running.total(names.SESSION_ENDS, code="4001") == 1
        page = running.request("ops", "GET", f"{names.CODES_PATH}/streampixel/4001").body.decode()
        # The runbook of the wheel, as HTML.
        text = contents("runbooks")[Path("streampixel/4001.md")].decode()
        for heading in re.findall(r"^## (.*)$", text, re.MULTILINE):
            assert f">{heading}</h2>" in page
        assert running.request("ops", "GET", f"{names.ALERTS_PATH}/SessionEndSpike").status == 200
        assert running.stop() == 0
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before
    assert (tmp_path / "data/ledger.db").is_file()
