"""What a sender may write for a code, and what means no code at all."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Code, System, normalise
from exporter.taxonomy.spellings import index, numbers, shared_names, spellings_of

TAXONOMY = load()
SOFTDRIVE = TAXONOMY.systems["softdrive"]
STREAMPIXEL = TAXONOMY.systems["streampixel"]
DOCUMENTED = [(system, code) for system in TAXONOMY.systems.values() for code in system.codes]
TIMEOUT = SOFTDRIVE.match("02")


def like(code: str, name: str, *aliases: str) -> Code:
    return dataclasses.replace(TIMEOUT, code=code, name=name, aliases=aliases)


@pytest.mark.parametrize(
    ("system", "code"), DOCUMENTED, ids=[f"{s.system}-{c.code}" for s, c in DOCUMENTED]
)
def test_every_code_matches_by_itself_by_its_prefixes_and_by_a_name_of_its_own(
    system: System, code: Code
) -> None:
    own = [code.code, f"Error Code {code.code}", f"error {code.code}", f"CODE {code.code}"]
    if normalise(code.name) not in shared_names(system.codes):
        own += [code.name, code.name.upper()]
    own += code.aliases
    assert len(own) >= 2
    assert {spelling: system.match(spelling) for spelling in own} == dict.fromkeys(own, code)


@pytest.mark.parametrize(
    "spelling", ["01", "1", 1, "Error Code 01", "error_code_1", "Error-1", "code 01", " 01 "]
)
def test_a_padded_number_is_known_with_and_without_its_zero(spelling: str | int) -> None:
    assert SOFTDRIVE.match(spelling).name == "TLSHandshakeFailed"


def test_an_integer_is_the_string_of_its_digits() -> None:
    assert STREAMPIXEL.match(4001) is STREAMPIXEL.match("4001")
    assert STREAMPIXEL.match(4001).name == "No Worker Node Available"


def test_the_same_number_means_each_system_its_own_code() -> None:
    assert SOFTDRIVE.match(1001).name == "Internal error"
    assert STREAMPIXEL.match(1001).name == "Going Away"


def test_a_name_that_codes_share_means_none_of_them() -> None:
    assert SOFTDRIVE.match("Internal error") is SOFTDRIVE.unknown
    assert SOFTDRIVE.match("Internal Server Error").code == "500"


@pytest.mark.parametrize("spelling", [-1, "-1", "error -1", "_01", "001", "1.0", "0", 0, "1 001"])
def test_what_merely_looks_like_a_number_of_the_table_is_unknown(spelling: str | int) -> None:
    assert SOFTDRIVE.match(spelling) is SOFTDRIVE.unknown


@pytest.mark.parametrize("spelling", ["01\n", "\t01", "0\x001", "guest\nagent", "01\x85"])
def test_a_code_with_a_control_character_is_unknown(spelling: str) -> None:
    assert SOFTDRIVE.match(spelling) is SOFTDRIVE.unknown


def test_a_code_longer_than_128_characters_is_unknown() -> None:
    assert SOFTDRIVE.match("01".rjust(128)).code == "01"
    assert SOFTDRIVE.match("01".rjust(129)) is SOFTDRIVE.unknown


@pytest.mark.parametrize("number", [10**5000, -(10**5000), 2**64], ids=["vast", "minus", "64bit"])
def test_an_integer_too_large_to_print_is_unknown(number: int) -> None:
    assert SOFTDRIVE.match(number) is SOFTDRIVE.unknown


@given(st.one_of(st.none(), st.integers(), st.text(), st.text(alphabet="0123456789 -_erocd")))
def test_no_spelling_is_an_error(raw: str | int | None) -> None:
    assert SOFTDRIVE.match(raw) in (*SOFTDRIVE.codes, SOFTDRIVE.unknown)


@given(st.text())
def test_normalising_twice_changes_nothing_more(spelling: str) -> None:
    once = normalise(spelling)
    assert normalise(once) == once


@pytest.mark.parametrize(
    ("code", "both"), [("01", ("01", "1")), ("10", ("10",)), ("00", ("00", "0")), ("x1", ("x1",))]
)
def test_only_a_padded_number_has_a_second_form(code: str, both: tuple[str, ...]) -> None:
    assert numbers(code) == both


def test_the_canonical_spelling_comes_first_and_none_comes_twice() -> None:
    spellings = list(spellings_of(like("07", "7", "07"), frozenset()))
    assert spellings[0] == "07"
    assert len(spellings) == len(set(spellings))


def test_two_codes_that_share_spellings_are_reported_once_with_all_of_them() -> None:
    first, second = like("a", "Alpha", "x"), like("b", "Beta", "X", "error a")
    found, clashes = index([first, second])
    assert clashes == {(first, second): ["x", "error a"]}
    assert found["x"] is first
