"""Help and usage of the commands, in a terminal of 80 columns."""

import re
from collections.abc import Sequence

import pytest
from click.testing import Result
from typer.testing import CliRunner

import exporter as package
from exporter.cli import app

CONFIGURED = ("--config", "--ingest", "--ops", "--data-dir", "--ledger", "--taxonomy")
OPTIONS = {
    "serve": CONFIGURED,
    "check": CONFIGURED,
    "backup": ("DIR", "--config", "--data-dir"),
    "codes": ("QUERY", "--config", "--taxonomy", "--json"),
    "send": (
        *("FILE", "--url", "--token-file", "--ca-file", "--format", "--column", "--follow"),
        *("--batch", "--max-wait", "--quiet", "--json"),
    ),
    "simulate": (
        *("--url", "--openmetrics", "--ndjson", "--system", "--ends-per-hour", "--failing"),
        *("--for", "--start", "--incident", "--speed", "--seed", "--token-file"),
        "--list-incidents",
    ),
    "backtest": (
        *(
            "FILE",
            "--system",
            "--since",
            "--until",
            "--taxonomy",
            "--rules",
            "--format",
            "--column",
        ),
        "--json",
    ),
    "test-page": ("--alertmanager", "--system", "--code", "--wait", "--config", "--taxonomy"),
    "beacon-key": ("--site", "--origin", "--system", "--config", "--taxonomy"),
}


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, arguments)


def test_help_lists_every_command() -> None:
    shown = invoke("--help")
    assert shown.exit_code == 0
    commands = shown.stdout.partition("Commands:")[2]
    listed = dict(re.findall(r"^  ([\w-]+) +(\S.*)$", commands, re.MULTILINE))
    assert set(listed) == set(OPTIONS)
    assert not [text for text in listed.values() if text.endswith("...")], "cut off"


@pytest.mark.parametrize("command", OPTIONS)
def test_help_of_a_command_lists_its_options_in_80_columns(command: str) -> None:
    shown = invoke(command, "--help")
    assert shown.exit_code == 0
    assert max(map(len, shown.stdout.splitlines())) <= 80
    for option in OPTIONS[command]:
        assert option in shown.stdout
    listed = set(re.findall(r"--[a-z-]+", shown.stdout.partition("Options:")[2]))
    assert listed == {option for option in OPTIONS[command] if option.startswith("-")} | {"--help"}


def test_version_is_that_of_the_package() -> None:
    shown = invoke("--version")
    assert (shown.exit_code, shown.stdout) == (
        0,
        f"session-end-exporter {package.__version__}\n",
    )


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("serve", "--nonsense"), ("send",), ("send", "x", "--format", "xml"), ()],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(arguments: Sequence[str]) -> None:
    shown = invoke(*arguments)
    assert shown.exit_code == 2
    assert "Usage:" in shown.output
