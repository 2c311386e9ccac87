"""Help and usage of the commands, in a terminal of 80 columns."""

import re
import shlex
from collections.abc import Sequence

import pytest
from click.testing import Result
from typer.testing import CliRunner

from exporter.cli import app
from exporter.commands.export import SETS
from exporter.settings import Settings
from tests.commands.running import arguments, call, environment, run
from tests.programs import finished

PROGRAM = "session-end-exporter"
CONFIGURED = "--config --ingest --ops --data-dir --ledger --taxonomy"
OPTIONS = {
    "serve": CONFIGURED,
    "check": CONFIGURED,
    "backup": "DIR --config --data-dir",
    "codes": "QUERY --config --taxonomy",
    "send": "FILE --url --token-file --ca-file --format --column --follow --batch --max-wait --quiet --json",
    "simulate": "--url --openmetrics --ndjson --system --ends-per-hour --failing --for --start --incident "
    "--speed --seed --token-file --list-incidents",
    "backtest": "FILE --since --until --taxonomy --rules --format --column --json",
    "test-page": "--alertmanager --system --code --wait --config --taxonomy",
    "beacon-key": "--site --origin --system",
    "export": "SET DIR --force",
}


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, arguments)


def test_help_lists_every_command() -> None:
    commands = invoke("--help").stdout.partition("Commands:")[2]
    listed = dict(re.findall(r"^  ([\w-]+) +(\S.*)$", commands, re.MULTILINE))
    assert set(listed) == set(OPTIONS)
    assert not [text for text in listed.values() if text.endswith("...")], "cut off"


def test_help_of_export_lists_every_set() -> None:
    shown = invoke("export", "--help").stdout
    assert re.findall(r"^    (\w+)  ", shown, re.MULTILINE) == [*SETS]


@pytest.mark.parametrize(("command", "options"), OPTIONS.items())
def test_help_of_a_command_lists_its_options_in_80_columns(command: str, options: str) -> None:
    shown = invoke(*command.split(), "--help")
    assert shown.exit_code == 0
    assert max(map(len, shown.stdout.splitlines())) <= 80
    # Of Python, such as "<list[Path]>".
    assert not re.search(r"<[A-Za-z]+[\[>]", shown.stdout)
    for option in options.split():
        assert option in shown.stdout
    listed = re.findall(r"--[a-z-]+", shown.stdout.partition("Options:")[2])
    assert set(listed) == {*re.findall(r"--[a-z-]+", options), "--help"}


def test_help_shows_the_default_of_a_setting() -> None:
    shown = invoke("serve", "--help").stdout
    for name in ("ingest", "ops", "data_dir"):
        assert f"default: {Settings.model_fields[name].default}" in re.sub(r"\s+", " ", shown)


def test_bash_completes_commands() -> None:
    variables = {
        f"_{PROGRAM.replace('-', '_').upper()}_COMPLETE": "complete_bash",
        "COMP_WORDS": f"{PROGRAM} exp",
        "COMP_CWORD": "1",
    }
    assert CliRunner(env=variables).invoke(app, prog_name=PROGRAM).stdout.split() == ["export"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("serve", "--nonsense"),
        ("send",),
        ("send", "x", "--format", "xml"),
        ("export", "x", "y"),
        (),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(arguments: Sequence[str]) -> None:
    shown = invoke(*arguments)
    assert shown.exit_code == 2
    assert "Usage:" in shown.output


@pytest.mark.parametrize("command", ["send", "backtest"])
def test_option_column_reaches_the_command(command: str) -> None:
    done = call(command, __file__, "--column", "cod=x")
    assert done.returncode == 2
    assert "--column cod=x: must be FIELD=COLUMN" in done.stdout + done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["codes", "--version", "send /dev/null"])
def test_full_disk_is_a_line_and_not_a_traceback(command: str, unbuffered: str) -> None:
    program = shlex.join(arguments(*command.split()))
    variables = environment(PYTHONUNBUFFERED=unbuffered)
    done = finished("sh", "-c", f"{program} >/dev/full", env=variables, timeout=60)
    expected = (1, "error: [Errno 28] No space left on device\n")
    assert (done.returncode, done.stderr) == expected


@pytest.mark.parametrize("command", ["send", "backtest"])
def test_closed_standard_input_is_an_empty_input(command: str) -> None:
    program = shlex.join(arguments(command, "-"))
    done = finished("sh", "-c", f"{program} <&-", env=environment(), timeout=60)
    assert re.search(r"^0 read|^error: no end to replay in 0 events$", done.stdout + done.stderr)


def test_code_is_explained_in_a_terminal_of_another_character_set() -> None:
    """Fails when a dash of the taxonomy, which Latin-1 lacks, ends the command with a traceback."""
    done = run("codes", "softdrive", "08", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "(07?11)" in done.stdout


def test_error_escapes_characters_that_move_the_cursor() -> None:
    done = call("check", "--taxonomy", "codes\x1b[2J")
    assert done.returncode == 1
    assert "codes<U+001B>[2J" in done.stderr
    assert "\x1b" not in done.stderr
