"""The README is true: its commands print what it shows, its tables are those of the code."""

import gzip
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter import names
from exporter.ingest.event import Event
from exporter.settings import Settings, load
from tests import readme_settings
from tests.builds.hook import token_file
from tests.e2e.exporter_process import ROOT, ExporterProcess
from tests.live.vendor import USER, key_file

TEXT = readme_settings.README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
VOLATILE = (
    (re.compile(r'ledger="[0-9a-f]{8}"'), 'ledger="…"'),
    (re.compile(r"\d+\.\d seconds"), "… seconds"),
)


@dataclass(frozen=True)
class Shown:
    """A command of a block and what the README says it prints."""

    command: str
    output: str


def shown(block: str) -> Iterator[Shown]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield Shown(command, output)


COMMANDS = [one for block in BLOCKS for one in shown(block)]


def settled(text: str) -> str:
    """What is the same every time; spaces at the ends of lines, and around the whole, are nobody's."""
    for pattern, name in VOLATILE:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


class Terminal:
    """A shell beside a running exporter, which the README has on the default ports and 80 columns wide."""

    def __init__(self, exporter: ExporterProcess, folder: Path) -> None:
        self._exporter = exporter
        self._folder = folder
        program = folder / "session-end-exporter"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m exporter "$@"\n')
        program.chmod(0o755)
        self._ports = {
            str(Settings.model_fields[name].default): f"127.0.0.1:{exporter.ports[name]}"
            for name in ("ingest", "ops")
        }

    def run(self, command: str) -> str:
        """Everything that the command prints, with the default ports."""
        if command == "make run":
            return self._default(self._exporter.announced)
        done = subprocess.run(
            self._real(command),
            shell=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            cwd=self._folder,
            check=False,
            env={
                **os.environ,
                "PATH": f"{self._folder}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "COLUMNS": "80",
            },
        )
        return self._default(done.stdout)

    def _real(self, command: str) -> str:
        for usual, real in self._ports.items():
            command = command.replace(usual, real)
        if command.startswith("session-end-exporter send"):
            command += f" --url http://{self._ports['127.0.0.1:10400']}"
        # curl draws a bar on standard error when its output goes to a file.
        return re.sub(r"\bcurl (?!-s)", "curl -s ", command)

    def _default(self, text: str) -> str:
        for usual, real in self._ports.items():
            text = text.replace(real, usual)
        return text


def test_every_command_prints_what_the_readme_shows(tmp_path: Path) -> None:
    assert len(COMMANDS) >= 6
    rows = "".join(f"streampixel,4001,s-{number}\n" for number in range(3))
    (tmp_path / "yesterday.csv").write_text(f"system,code,session_id\n{rows}")
    lines = b'{"id":"a","system":"softdrive"}\n{"id":"b","system":"softdrive","code":"08"}\n'
    (tmp_path / "more.ndjson.gz").write_bytes(gzip.compress(lines))
    with ExporterProcess(tmp_path / "data") as exporter:
        terminal = Terminal(exporter, tmp_path)
        for one in COMMANDS:
            assert one.output.strip(), f"the README does not show what {one.command!r} prints"
            assert settled(terminal.run(one.command)) == settled(one.output), one.command


def test_a_command_that_prints_something_else_is_noticed(tmp_path: Path) -> None:
    (one,) = (one for one in COMMANDS if one.command.endswith("codes 4001"))
    with ExporterProcess(tmp_path / "data") as exporter:
        printed = Terminal(exporter, tmp_path).run("session-end-exporter codes 4005")
    assert settled(printed) != settled(one.output)


def test_every_subcommand_that_the_readme_shows_exists_and_every_one_is_shown() -> None:
    import typer

    from exporter.cli import app

    click = typer.main.get_command(app)
    named = set(getattr(click, "commands"))  # noqa: B009
    used = set(re.findall(r"session-end-exporter ([\w-]+)", "\n".join(BLOCKS)))
    assert used - {"is"} <= named
    for name in named:
        assert re.search(rf"`{name}\b|session-end-exporter {name}\b", TEXT), name


def test_the_table_of_settings_is_the_settings() -> None:
    """Fails when a field, default or description changes: python -m tests.readme_settings."""
    assert readme_settings.write(TEXT) == TEXT, "run: python -m tests.readme_settings"
    assert len(readme_settings.MARKED.findall(TEXT)) == 1
    listed = re.findall(r"^\| `(\w+)` \|", readme_settings.table(), re.MULTILINE)
    assert listed == list(Settings.model_fields)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_defaults_of_the_table_are_written_as_the_settings_read_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = readme_settings.default(Settings.model_fields[name])
    if shown == "none":
        return
    monkeypatch.setenv(f"SESSION_EXPORTER_{name.upper()}", shown.strip("`"))
    assert getattr(load(), name) == Settings.model_fields[name].default


def rows_after(heading: str) -> list[list[str]]:
    """Cells of the first table of a section."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert lines, heading
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[0].splitlines()[2:]]


def families() -> dict[str, str]:
    """Every metric of `names`, by the constant's name."""
    return {
        constant: name
        for constant, name in vars(names).items()
        if constant.isupper()
        and not constant.startswith("_")
        and isinstance(name, str)
        and re.fullmatch(
            r"session_(exporter_\w+|\w+_(total|seconds|info|help|objective|floor|users))", name
        )
    }


def test_the_table_of_metrics_names_every_family_and_its_type(tmp_path: Path) -> None:
    named = {
        name: row[1].partition(",")[0]
        for row in rows_after("Metrics")
        for name in re.findall(r"`(session_\w+)`", row[0])
    }
    assert set(named) == set(families().values())
    everything = {
        "streampixel_webhook_token_file": token_file(tmp_path),
        "live_stats_projects": "p1",
        "live_stats_user": USER,
        "live_stats_key_file": key_file(tmp_path),
        "live_stats_url": "http://127.0.0.1:9",
    }
    with ExporterProcess(tmp_path / "data", settings=everything) as exporter:
        text = exporter.request("ops", "GET", names.METRICS_PATH).body.decode()
    exposed = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert named == {name: exposed[name] for name in named}
    own = {name for name in exposed if not name.endswith("_created")}
    assert {name for name in own if not name.startswith("process_")} == set(named)


def test_the_table_of_events_has_the_fields_of_an_event() -> None:
    fields = [row[0].strip("`") for row in rows_after("Events")]
    assert sorted(fields) == sorted(Event.__struct_fields__)
    required = {row[0].strip("`") for row in rows_after("Events") if row[1] == "yes"}
    assert required == set(Event.__struct_fields__) - {
        name
        for name, _ in zip(
            reversed(Event.__struct_fields__), Event.__struct_defaults__, strict=False
        )
    }


def test_links_of_the_readme_lead_to_files_and_headings() -> None:
    slugs = {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in slugs, target
        elif "://" not in target:
            assert (ROOT / target).exists(), target
