"""The image: what it is made of, as whom it runs, and that its steps work.

There may be no container engine where the tests run, so the build's own commands are run outside of one, in
folders of their own.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import venv
from fnmatch import fnmatch
from pathlib import Path

import pytest

import exporter
from exporter.settings import Settings
from tests.deploy.containerfile import OPTION, PATH, every, stages
from tests.e2e.exporter_process import ROOT, ExporterProcess

BUILD, IMAGE = stages()
DATA = "/var/lib/session-end-exporter"


def variables() -> dict[str, str]:
    return dict(pair.split("=", 1) for text in every("ENV", IMAGE) for pair in text.split())


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path of the repository's root out; the last line that fits decides."""
    found = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!").removeprefix("**/")
            parts = (path, path.partition("/")[0], Path(path).name)
            if any(fnmatch(part, pattern) for part in parts):
                found = not line.startswith("!")
    return found


def copied() -> list[str]:
    """What COPY takes from the repository."""
    return [
        name
        for text in every("COPY", BUILD) + every("COPY", IMAGE)
        if "--from=" not in text
        for name in text.split()[:-1]
    ]


def test_image_runs_as_a_numeric_user() -> None:
    users = every("USER", IMAGE)
    assert users == ["10001:10001"]
    words = [one.word for one in IMAGE]
    assert "RUN" not in words[words.index("USER") :]


def test_build_fetches_only_packages_with_locked_hashes() -> None:
    assert every("ADD", BUILD) + every("ADD", IMAGE) == []
    installs = [
        command
        for text in every("RUN", BUILD) + every("RUN", IMAGE)
        for command in re.split(r"&&", text)
        if re.search(r"\b(install|wheel|download)\b", command) and "pip" in command
    ]
    assert len(installs) == 4
    for command in installs:
        hashed = "--require-hashes -r requirements" in command and "--only-binary :all:" in command
        assert hashed or ("--no-index" in command and "--no-deps" in command), command
    text = PATH.read_text()
    assert not re.search(r"apt-get|curl |wget |git clone|https?://(?!127)", text)


def test_copied_files_exist_and_are_not_ignored() -> None:
    names = copied()
    assert {"requirements.lock", "pyproject.toml", "exporter"} <= set(names)
    for name in names:
        assert (ROOT / name).exists(), name
        assert not ignored(name), name


@pytest.mark.parametrize(
    "path",
    [
        "data/ledger.db",
        ".git/config",
        "build/demo/exporter/data/ledger.db",
        "deploy/compose/secrets/ingest-tokens",
        ".venv/bin/python",
        "tests/conftest.py",
        "exporter/__pycache__",
        "anything-new",
    ],
)
def test_other_files_are_kept_out_of_the_build(path: str) -> None:
    assert ignored(path)


def test_data_folder_is_a_volume_of_the_image_user() -> None:
    assert [json.loads(text) for text in every("VOLUME", IMAGE)] == [[DATA]]
    assert variables()["SESSION_EXPORTER_DATA_DIR"] == DATA
    assert f"install -d -o 10001 -g 10001 -m 0700 {DATA}" in every("RUN", IMAGE)
    assert variables()["PYTHONDONTWRITEBYTECODE"] == "1"


def test_image_starts_the_exporter_on_its_default_ports() -> None:
    command = json.loads(*every("ENTRYPOINT", IMAGE)) + json.loads(*every("CMD", IMAGE))
    assert command == ["session-end-exporter", "serve"]
    defaults = [
        Settings.model_fields[name].default.rpartition(":")[2] for name in ("ingest", "ops")
    ]
    assert every("EXPOSE", IMAGE) == [" ".join(defaults)]


def test_image_labels_are_those_of_the_package() -> None:
    (text,) = every("LABEL", IMAGE)
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', text))
    assert labels["version"] == exporter.__version__
    project = (ROOT / "pyproject.toml").read_text()
    for field in ("title", "description", "licenses"):
        assert f'= "{labels[field]}"' in project


def health(port: int) -> int:
    """The exit code of the image's health check, of an exporter on this port."""
    (text,) = every("HEALTHCHECK", IMAGE)
    word, _, command = OPTION.sub("", text).partition(" ")
    assert word == "CMD"
    python, *arguments = json.loads(command)
    assert python == "python"
    arguments = [part.replace("10401", str(port)) for part in arguments]
    done = subprocess.run(
        [sys.executable, *arguments],
        # A proxy that is not there: who asks it does not get an answer.
        env={**os.environ, "http_proxy": "http://127.0.0.1:1"},
        capture_output=True,
        check=False,
        timeout=30,
    )
    return done.returncode


def test_health_check_succeeds_only_for_a_running_exporter(
    tmp_path: Path,
) -> None:
    with ExporterProcess(tmp_path / "data") as running:
        port = running.ports["ops"]
        assert health(port) == 0
        # The ingest listener has no such page: an answer alone is not health.
        assert health(running.ports["ingest"]) != 0
    assert health(port) != 0


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the RUN lines of the build stage, with folders of the test in place of the image's, put
    everything."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "src"
    source.mkdir()
    for name in copied():
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, source)
    # A pip of the image's own, as the base has one.
    venv.create(folder / "base", with_pip=True)
    for text in every("RUN", BUILD):
        command = re.sub(r"(?<![\w.])/(opt|wheels)\b", rf"{folder}/\1", text)
        done = subprocess.run(
            command,
            shell=True,
            cwd=source,
            env={
                **os.environ,
                **dict(pair.split("=", 1) for text in every("ENV", BUILD) for pair in text.split()),
                "PIP_NO_CACHE_DIR": "0",
                "PATH": f"{folder}/base/bin:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    return folder / "opt/session-end-exporter"


def test_build_steps_install_the_exporter_with_rules_and_runbooks(built: Path) -> None:
    """The rules and the runbooks are in it too: the pages about alerts and codes are made from them."""
    asked = "import exporter.rule_files as r; print(r.folder())"
    shown = subprocess.run(
        [built / "bin/python", "-c", asked], check=True, capture_output=True, text=True, cwd=built
    )
    installed = Path(shown.stdout.strip())
    assert installed.is_relative_to(built)
    files = [path for path in (ROOT / "rules").rglob("*.*") if path.suffix in (".yml", ".md")]
    assert len(files) > 50
    for path in files:
        assert (installed / path.relative_to(ROOT / "rules")).read_bytes() == path.read_bytes()
    assert not (built / "bin/pip").exists()


def test_installed_exporter_writes_only_to_its_data_folder(built: Path, tmp_path: Path) -> None:
    """A read-only root is enough: no file of the installation is made or changed by a run."""
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    program = built / "bin/python"
    command = [str(program), "-c", "from exporter.cli import main; main()", "serve"]
    data = tmp_path / "data"
    command += ["--data-dir", str(data), "--ingest", "127.0.0.1:0", "--ops", "127.0.0.1:0"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
    ) as process:
        assert process.stdout is not None
        told = iter(process.stdout.readline, "")
        assert any("curl" in line for line in told)
        process.terminate()
        assert process.wait(30) == 0
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before
    assert stat.S_ISREG((data / "ledger.db").stat().st_mode)
