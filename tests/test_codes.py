"""Queries, output and exit codes of `session-end-exporter codes`, and the configured systems."""

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from exporter.lookup.codes import facts, near, search
from exporter.lookup.show import show
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Taxonomy
from exporter.taxonomy.spellings import index
from tests.commands.running import call, write
from tests.taxonomy.mistakes import VALID

TAXONOMY = load()
CODES = [code for system in TAXONOMY.systems.values() for code in system.codes]


def matches(query: str) -> list[str]:
    return [f"{code.system} {code.code}" for code in search(TAXONOMY, query.split())]


def printed(query: str, *, width: int = 80, taxonomy: Taxonomy = TAXONOMY) -> tuple[bool, str]:
    """Whether there was a match, and the printed text without spaces at line ends."""
    out = io.StringIO()
    matched = show(Console(file=out, width=width), taxonomy, query.split())
    return matched, "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_empty_query_matches_all_codes_and_a_system_its_codes() -> None:
    assert search(TAXONOMY, []) == search(TAXONOMY, [""]) == CODES
    assert search(TAXONOMY, ["streampixel"]) == list(TAXONOMY.systems["streampixel"].codes)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # A code, in any spelling, in one system or several.
        ("4001", "streampixel 4001"),
        ("error code 4001", "streampixel 4001"),
        ("1001", "softdrive 1001, streampixel 1001"),
        ("unknown", "softdrive unknown, streampixel unknown"),
        # A system anywhere in the query.
        ("1001 softdrive", "softdrive 1001"),
        ("SoftDrive error 1001", "softdrive 1001"),
        ("softdrive unknown", "softdrive unknown"),
        # Words: matches in names come first, and every word must match.
        ("timeout", "softdrive 02, softdrive 03, softdrive 04, softdrive 09, streampixel 4004"),
        (
            "crashed",
            "streampixel 4006, softdrive 14, streampixel 1005, streampixel 1006, streampixel 4005",
        ),
        ("mixed resolutions", "softdrive 08"),
        ("udp firewall", "softdrive 03, softdrive 04, softdrive 11, softdrive 19"),
        ("capacity", "streampixel 4001"),
        # Numbers match only codes, also if a text contains them.
        ("9260", ""),
        ("error code 05", ""),
    ],
)
def test_query_matches_codes(query: str, expected: str) -> None:
    assert ", ".join(matches(query)) == expected


def test_misspelled_query_gets_suggestions_that_match() -> None:
    assert near(TAXONOMY, ["no worker nod availabel"])[0] == "no worker node available"
    assert near(TAXONOMY, ["4008"]) == ["4007", "4006", "4005", "4004"]
    assert printed("4008")[1].endswith("Similar: 4007, 4006, 4005, 4004")


def test_query_that_is_little_like_a_spelling_gets_no_suggestion() -> None:
    assert near(TAXONOMY, ["05"]) == []
    assert near(TAXONOMY, ["nosuch"]) == []


def test_search_prints_the_pages_of_a_single_code() -> None:
    assert printed("reinstall") == printed("softdrive 06")
    matched, text = printed("1001")
    assert matched
    assert "Softdrive 1001  Internal error" in text
    assert "\n\nStreampixel 1001  Going Away" in text


def test_several_matches_are_a_table_per_system() -> None:
    matched, text = printed("timeout")
    assert matched
    assert text == (
        'Softdrive  vendor page "Error Codes"\n'
        "Code  Name                    Phase       Who acts          Spike\n"
        "02    TLSHandshakeTimeout     handshake   customer_network  ticket\n"
        "03    HandshakeTimeout        handshake   customer_network  ticket\n"
        "04    KeepAliveTimeout        keep_alive  customer_network  ticket\n"
        "09    SessionSettingsTimeout  stream      platform          page\n"
        "\n"
        'Streampixel  vendor page "Disconnect Codes"\n'
        "Code  Name                     Phase   Who acts  Spike\n"
        "4004  Maximum Runtime Reached  stream  policy    ticket"
    )
    # Also where the first matches, by name, are of several systems.
    assert printed("crashed")[1].count("vendor page") == 2


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal_or_cut(width: int) -> None:
    for query in ("", "unknown", *(f"{code.system} {code.code}" for code in CODES)):
        matched, text = printed(query, width=width)
        assert matched
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text


def test_undocumented_code_is_explained() -> None:
    matched, text = printed("softdrive 05")
    assert not matched
    assert text == (
        "No code of Softdrive matches '05'.\n"
        'Events with another code are counted as code="unknown", as failures. Runbook:\n'
        "/codes/softdrive/unknown"
    )
    assert "/codes/softdrive/unknown, /codes/streampixel/unknown" in printed("error code 17")[1]


def test_name_that_equals_the_code_is_printed_once_and_markup_as_it_is() -> None:
    system = TAXONOMY.systems["softdrive"]
    text = "See [bold]this[/bold] [link=x]."
    code = dataclasses.replace(system.match("08"), code="Odd", name="Odd", description=text)
    own = dataclasses.replace(system, codes=(code,), index=index([code]), normal=code)
    page = printed("odd", taxonomy=Taxonomy({"softdrive": own}))[1]
    assert page.startswith("Softdrive Odd\n")
    assert text in page
    assert "'[/red]'" in printed("[/red]")[1]


def test_colors_are_for_terminals_only_and_no_escape_of_a_query_is_printed() -> None:
    assert "\x1b" not in printed("4001")[1] + printed("\x1b[31mzzz")[1]
    out = io.StringIO()
    show(Console(file=out, width=80, force_terminal=True, color_system="standard"), TAXONOMY, [])
    assert "\x1b" in out.getvalue()


def test_facts_have_the_spellings_that_mean_only_this_code() -> None:
    softdrive = TAXONOMY.systems["softdrive"]
    shared, normal, padded = (
        dict(facts(softdrive, softdrive.match(code))) for code in ("1001", None, "08")
    )
    prefixes = '"error code", "error", "code"'
    assert shared["Accepted as"] == f"1001, alone or after {prefixes}; 1001–1004; 1001 to 1004"
    assert normal["Accepted as"].endswith("; an event without a code")
    assert padded["Accepted as"].startswith("08 or 8, alone or after")
    # The phase of a vendor is not marked as derived.
    assert padded["Phase"] == "stream"


def test_codes_exits_with_1_without_a_match() -> None:
    assert call("codes", 4001).returncode == 0
    shown = call("codes", "nonsense")
    assert shown.returncode == 1
    assert shown.stdout.startswith("No code matches 'nonsense'.\n")


def test_codes_include_configured_systems(tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    folder.mkdir()
    write(folder / "acme.yaml", VALID)
    config = write(tmp_path / "s.toml", f"taxonomy = ['{folder}']\n")
    for shown in (
        call("codes", "acme", "--taxonomy", folder),
        call("codes", "acme", "--config", config),
        call("codes", "acme", SESSION_EXPORTER_CONFIG=str(config)),
    ):
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "LinkLost" in shown.stdout


def test_codes_works_with_a_wrong_variable() -> None:
    shown = call("codes", 4001, SESSION_EXPORTER_OPS="nowhere")
    assert shown.returncode == 0
    assert "No Worker Node Available" in shown.stdout
    assert shown.stderr.startswith("warning: SESSION_EXPORTER_OPS = 'nowhere'")
    assert call("codes", 4001, "--config", "/none.toml").returncode == 1
