"""The search and the output of `session-end-exporter codes`."""

import dataclasses
import io
import json

import pytest
from rich.console import Console

from exporter.lookup.page import OUTCOMES, OWNERS, SEVERITIES, as_json, facts
from exporter.lookup.search import near, search
from exporter.lookup.show import show
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Outcome, Owner, Severity, Taxonomy

TAXONOMY = load()
CODES = [code for system in TAXONOMY.systems.values() for code in system.codes]


def matches(query: str) -> list[str]:
    return [f"{code.system} {code.code}" for code in search(TAXONOMY, query.split())]


def printed(query: str, *, width: int = 80, taxonomy: Taxonomy = TAXONOMY) -> tuple[bool, str]:
    """The result and the output of `show`, without trailing spaces."""
    out = io.StringIO()
    matched = show(Console(file=out, width=width), taxonomy, query.split())
    return matched, "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_an_empty_query_matches_every_code_in_order() -> None:
    assert search(TAXONOMY, []) == CODES
    assert search(TAXONOMY, [""]) == CODES


@pytest.mark.parametrize("query", ["4001", "Worker Node Unavailable", "error code 4001"])
def test_any_spelling_matches_its_code(query: str) -> None:
    assert matches(query) == ["streampixel 4001"]


def test_one_argument_equals_several_words() -> None:
    assert search(TAXONOMY, ["softdrive 08"]) == search(TAXONOMY, ["softdrive", "08"])


def test_a_code_of_two_systems_matches_both() -> None:
    assert matches("1001") == ["softdrive 1001", "streampixel 1001"]


@pytest.mark.parametrize("query", ["softdrive 1001", "1001 softdrive", "SoftDrive error 1001"])
def test_a_systems_name_anywhere_selects_the_system(query: str) -> None:
    assert matches(query) == ["softdrive 1001"]


def test_a_system_alone_matches_its_codes() -> None:
    assert search(TAXONOMY, ["streampixel"]) == list(TAXONOMY.systems["streampixel"].codes)


def test_a_systems_name_with_an_underscore_is_recognised() -> None:
    system = dataclasses.replace(TAXONOMY.systems["softdrive"], system="soft_drive", title="X")
    taxonomy = Taxonomy({"soft_drive": system})
    assert search(taxonomy, ["soft_drive", "08"]) == [system.match("08")]


def test_words_match_texts_and_names_come_first() -> None:
    assert matches("timeout") == [
        "softdrive 02",
        "softdrive 03",
        "softdrive 04",
        "softdrive 09",
        "streampixel 4004",
    ]
    # 4006 has the word in its name, the other rows only in their causes.
    assert matches("crashed") == [
        "streampixel 4006",
        "softdrive 14",
        "streampixel 1005",
        "streampixel 1006",
        "streampixel 4005",
    ]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("mixed resolutions", "softdrive 08"),
        ("reinstall", "softdrive 06"),
        ("signaling", "streampixel 4005"),
        ("capacity", "streampixel 4001"),
    ],
)
def test_description_causes_fix_and_labels_are_searched(query: str, code: str) -> None:
    assert matches(query) == [code]


def test_every_word_must_match() -> None:
    assert "softdrive 03" in matches("udp firewall")
    assert "softdrive 01" not in matches("udp firewall")


@pytest.mark.parametrize("query", ["30", "9260", "443", "error code 05", "softdrive 60"])
def test_a_number_is_never_searched_in_texts(query: str) -> None:
    assert any(query.rsplit(maxsplit=1)[-1] in code.fix + code.code for code in CODES)
    assert matches(query) == []


def test_unknown_matches_the_unknown_codes() -> None:
    assert matches("unknown") == ["softdrive unknown", "streampixel unknown"]
    assert matches("softdrive unknown") == ["softdrive unknown"]


def test_a_code_is_printed_in_full_at_80_columns() -> None:
    matched, text = printed("4001")
    assert matched
    assert text == (
        "Streampixel 4001  No Worker Node Available\n"
        "  What it means  The platform found no free worker node to run the application\n"
        "                 on.\n"
        "  Causes         All worker nodes are busy, GPU resources do not suffice, or\n"
        "                 worker nodes are offline.\n"
        "  Fix            Check the status of workers and GPUs, then the capacity mode.\n"
        "                 Fixed queues users above the project's own limit even while the\n"
        "                 account has spare capacity; dynamic is a minimum plus a shared\n"
        "                 pool. The account includes 2 concurrent users; more are bought\n"
        "                 on the Capacity page and apply at once.\n"
        "  Who acts       capacity: the team that buys workers and GPUs and sets limits\n"
        "  Wakes someone  yes, a spike wakes on-call\n"
        "  Outcome        failure: counts against the success ratio\n"
        "  Phase          connect (2 of 5); our reading: the vendor names no phases\n"
        "  Category       Capacity (capacity)\n"
        '  Accepted as    4001, alone or after "error code", "error", "code"; No Worker\n'
        "                 Node Available; Worker Node Unavailable\n"
        "  Runbook        /codes/streampixel/4001"
    )


def test_a_code_of_two_systems_prints_both() -> None:
    matched, text = printed("1001")
    assert matched
    assert "Softdrive 1001  Internal error" in text
    assert "\n\nStreampixel 1001  Going Away" in text


def test_a_single_match_is_printed_in_full() -> None:
    assert printed("reinstall") == printed("softdrive 06")


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


def test_a_wide_terminal_has_room_for_the_outcome() -> None:
    assert "Outcome" not in printed("")[1]
    wide = printed("", width=120)[1]
    assert "500          Internal Server Error          connect      failure  platform" in wide


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("query", ["", "unknown", *(f"{c.system} {c.code}" for c in CODES)])
def test_output_fits_the_terminal(query: str, width: int) -> None:
    matched, text = printed(query, width=width)
    assert matched
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


def test_an_undocumented_code_has_advice() -> None:
    matched, text = printed("softdrive 05")
    assert not matched
    assert text == (
        "Softdrive documents no code 05.\n"
        'Events with it are counted as code="unknown", as failures; the raw codes are in\n'
        "/api/unknown-codes. If the sender means it, ask the vendor what it is and add it\n"
        'as an alias or a new code in a YAML file that begins with "extends:" and the\n'
        "system; otherwise correct the sender.\n"
        "Runbook: /codes/softdrive/unknown\n"
        '"codes" lists all codes, "codes softdrive" the codes of one system.'
    )


def test_a_number_of_no_system_names_every_runbook() -> None:
    text = printed("error code 17")[1]
    assert text.startswith("No system documents code 17.\n")
    assert "Runbook: /codes/softdrive/unknown, /codes/streampixel/unknown" in text


def test_a_code_of_another_system_is_suggested() -> None:
    assert near(TAXONOMY, ["softdrive", "4001"]) == ["streampixel 4001"]
    assert printed("softdrive 4001")[1].endswith("Did you mean:\n  codes streampixel 4001")


@pytest.mark.parametrize(
    ("query", "close"),
    [
        ("timout", "timeout"),
        ("softdrve 08", "softdrive 08"),
        ("softdrive fierwall", "softdrive firewall"),
        ("udp fierwall", "udp firewall"),
        ("no worker nod availabel", "no worker node available"),
    ],
)
def test_a_misspelled_word_is_corrected(query: str, close: str) -> None:
    assert matches(query) == []
    assert near(TAXONOMY, query.split())[0] == close
    assert matches(close) != []
    assert printed(query)[1].endswith(f"Did you mean:\n  codes {close}")


def test_a_short_number_is_not_similar_to_a_longer_one() -> None:
    assert near(TAXONOMY, ["05"]) == []
    assert near(TAXONOMY, ["4008"]) == ["4007", "4006", "4005", "4004"]


def test_a_query_without_similar_words_has_advice() -> None:
    matched, text = printed("zzz")
    assert not matched
    assert text == (
        "No code matches 'zzz'.\n"
        '"codes" lists all codes, "codes softdrive" the codes of one system.'
    )


def test_brackets_are_printed_as_text() -> None:
    system = TAXONOMY.systems["softdrive"]
    code = dataclasses.replace(system.match("08"), description="See [bold]this[/bold] [link=x].")
    odd = dataclasses.replace(system, codes=(code,), spellings={"08": code}, normal=code)
    assert (
        "See [bold]this[/bold] [link=x]." in printed("08", taxonomy=Taxonomy({"softdrive": odd}))[1]
    )
    assert "'[/red]'" in printed("[/red]")[1]


def test_color_is_for_terminals_only() -> None:
    assert "\x1b" not in printed("4001")[1]
    out = io.StringIO()
    show(Console(file=out, width=80, force_terminal=True, color_system="standard"), TAXONOMY, [])
    assert "\x1b" in out.getvalue()


def test_an_escape_sequence_in_the_query_does_not_reach_the_terminal() -> None:
    assert "\x1b" not in printed("\x1b[31mzzz")[1]


def test_accepted_spellings_are_listed() -> None:
    softdrive = TAXONOMY.systems["softdrive"]
    shared = dict(facts(softdrive, softdrive.match("1001")))["Accepted as"]
    assert shared == '1001, alone or after "error code", "error", "code"'
    assert dict(facts(softdrive, softdrive.normal))["Accepted as"].endswith(
        "; an event without a code"
    )
    padded = dict(facts(softdrive, softdrive.match("08")))["Accepted as"]
    assert padded.startswith("08 or 8, alone or after")


def test_every_owner_outcome_and_severity_has_a_text() -> None:
    assert set(OWNERS) == set(Owner)
    assert set(OUTCOMES) == set(Outcome)
    assert set(SEVERITIES) == set(Severity)


def test_a_derived_phase_is_marked() -> None:
    assert "Phase          stream (4 of 5)\n" in printed("softdrive 08")[1]
    assert "our reading" in printed("4001")[1]


def test_json_has_every_field_of_a_code_and_its_runbook() -> None:
    code = TAXONOMY.systems["streampixel"].match("4001")
    (row,) = json.loads(as_json([code]))
    expected = dataclasses.asdict(code) | {
        "aliases": list(code.aliases),
        "runbook": "/codes/streampixel/4001",
    }
    assert row == expected


def test_json_of_nothing_is_an_empty_array() -> None:
    assert json.loads(as_json([])) == []
