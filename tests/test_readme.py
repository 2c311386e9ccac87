"""README.md: its commands print the shown output, and it names every command."""

import gzip
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import typer

from exporter.cli import app
from exporter.settings import Settings
from tests.e2e.exporter_process import ROOT, ExporterProcess

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
VOLATILE = (
    (re.compile(r'ledger="[0-9a-f]{8}"'), 'ledger="…"'),
    (re.compile(r"\d+\.\d seconds"), "… seconds"),
    (re.compile(r"ledger-\d{8}T\d{6}Z-[0-9a-f]{8}"), "ledger-…"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "…"),
    (re.compile(r"[\d,]+ bytes, ledger [0-9a-f]{8}, up to commit \d+"), "…"),
)


class Shown(NamedTuple):
    """A command in a block, and its output in the README."""

    command: str
    output: str


def shown(block: str) -> Iterator[Shown]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield Shown(command, output)


COMMANDS = [command for block in BLOCKS for command in shown(block)]


def settled(text: str) -> str:
    """`text` without values that change, and without spaces at the ends of lines and of the text."""
    for pattern, name in VOLATILE:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


class Terminal:
    """A shell of 80 columns beside a running exporter, which the README shows on the default ports."""

    def __init__(self, exporter: ExporterProcess, folder: Path) -> None:
        self._exporter = exporter
        self.folder = folder
        program = folder / "session-end-exporter"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m exporter "$@"\n')
        program.chmod(0o755)
        self._ports = {
            str(Settings.model_fields[name].default): f"127.0.0.1:{exporter.ports[name]}"
            for name in ("ingest", "ops")
        }

    def run(self, command: str) -> str:
        """The complete output of the command, with default ports in place of the real ports."""
        if command == "make run":
            return self._default(self._exporter.announced)
        done = subprocess.run(
            self._real(command),
            shell=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            cwd=self.folder,
            check=False,
            env={
                **os.environ,
                "PATH": f"{self.folder}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "COLUMNS": "80",
                # `check` warns about ports in use.
                **{f"SESSION_EXPORTER_{name}": "127.0.0.1:0" for name in ("INGEST", "OPS")},
            },
        )
        return self._default(done.stdout)

    def _real(self, command: str) -> str:
        for default, real in self._ports.items():
            command = command.replace(default, real)
        if command.startswith("session-end-exporter send"):
            command += f" --url http://{self._ports['127.0.0.1:10400']}"
        # curl draws a bar on standard error when its output goes to a file.
        return re.sub(r"\bcurl (?!-s)", "curl -s ", command)

    def _default(self, text: str) -> str:
        for default, real in self._ports.items():
            text = text.replace(real, default)
        return text


def test_readme_commands_print_the_shown_output(tmp_path: Path) -> None:
    assert len(COMMANDS) >= 6
    rows = "".join(f"streampixel,4001,s-{number}\n" for number in range(3))
    (tmp_path / "yesterday.csv").write_text(f"system,code,session_id\n{rows}")
    lines = b'{"id":"a","system":"softdrive"}\n{"id":"b","system":"softdrive","code":"08"}\n'
    (tmp_path / "more.ndjson.gz").write_bytes(gzip.compress(lines))
    with ExporterProcess(tmp_path / "data") as exporter:
        terminal = Terminal(exporter, tmp_path)
        for example in COMMANDS:
            assert example.output.strip(), f"no output is shown: {example.command}"
            printed = settled(terminal.run(example.command))
            assert printed == settled(example.output), example.command


def test_readme_shows_every_subcommand() -> None:
    commands = getattr(typer.main.get_command(app), "commands")  # noqa: B009
    used = set(re.findall(r"session-end-exporter ([\w-]+)", "\n".join(BLOCKS)))
    assert used - {"is"} <= set(commands)
    for name in commands:
        assert re.search(rf"`{name}\b|session-end-exporter {name}\b", TEXT), name
