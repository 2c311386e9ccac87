"""The accepted spellings of a code, and spellings of no code."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Code, normalize
from exporter.taxonomy.spellings import index, numbers, shared_names, spellings_of

TAXONOMY = load()
SOFTDRIVE = TAXONOMY.systems["softdrive"]
STREAMPIXEL = TAXONOMY.systems["streampixel"]
DOCUMENTED = [(system, code) for system in TAXONOMY.systems.values() for code in system.codes]
TIMEOUT = SOFTDRIVE.match("02")


def like(code: str, name: str, *aliases: str) -> Code:
    return dataclasses.replace(TIMEOUT, code=code, name=name, aliases=aliases)


def test_every_code_matches_by_number_prefix_name_and_alias() -> None:
    for system, code in DOCUMENTED:
        own = [code.code, f"Error Code {code.code}", f"error {code.code}", f"CODE {code.code}"]
        if normalize(code.name) not in shared_names(system.codes):
            own += [code.name, code.name.upper()]
        own += code.aliases
        assert {spelling: system.match(spelling) for spelling in own} == dict.fromkeys(own, code)


@pytest.mark.parametrize(
    "spelling", ["01", "1", 1, "Error Code 01", "error_code_1", "Error-1", "code 01", " 01 "]
)
def test_a_padded_number_matches_with_and_without_its_zero(spelling: str | int) -> None:
    assert SOFTDRIVE.match(spelling).name == "TLSHandshakeFailed"


def test_an_integer_equals_its_digits() -> None:
    assert STREAMPIXEL.match(4001) is STREAMPIXEL.match("4001")
    assert STREAMPIXEL.match(4001).name == "No Worker Node Available"


def test_a_number_means_a_code_of_its_system() -> None:
    assert SOFTDRIVE.match(1001).name == "Internal error"
    assert STREAMPIXEL.match(1001).name == "Going Away"


def test_a_shared_name_is_unknown() -> None:
    assert SOFTDRIVE.match("Internal error") is SOFTDRIVE.unknown
    assert SOFTDRIVE.match("Internal Server Error").code == "500"


@pytest.mark.parametrize("spelling", [-1, "-1", "error -1", "_01", "001", "1.0", "0", 0, "1 001"])
def test_similar_numbers_are_unknown(spelling: str | int) -> None:
    assert SOFTDRIVE.match(spelling) is SOFTDRIVE.unknown


@pytest.mark.parametrize("spelling", ["01\n", "\t01", "0\x001", "guest\nagent", "01\x85"])
def test_a_control_character_is_unknown(spelling: str) -> None:
    assert SOFTDRIVE.match(spelling) is SOFTDRIVE.unknown


def test_more_than_128_characters_are_unknown() -> None:
    assert SOFTDRIVE.match("01".rjust(128)).code == "01"
    assert SOFTDRIVE.match("01".rjust(129)) is SOFTDRIVE.unknown


@pytest.mark.parametrize("number", [10**5000, -(10**5000), 2**64], ids=["vast", "minus", "64bit"])
def test_a_large_integer_is_unknown(number: int) -> None:
    assert SOFTDRIVE.match(number) is SOFTDRIVE.unknown


@given(st.one_of(st.none(), st.integers(), st.text(), st.text(alphabet="0123456789 -_erocd")))
def test_no_spelling_is_an_error(raw: str | int | None) -> None:
    assert SOFTDRIVE.match(raw) in (*SOFTDRIVE.codes, SOFTDRIVE.unknown)


@given(st.text())
def test_normalize_is_idempotent(spelling: str) -> None:
    once = normalize(spelling)
    assert normalize(once) == once


@pytest.mark.parametrize(
    ("code", "both"), [("01", ("01", "1")), ("10", ("10",)), ("00", ("00", "0")), ("x1", ("x1",))]
)
def test_a_padded_number_has_two_forms(code: str, both: tuple[str, ...]) -> None:
    assert numbers(code) == both


def test_spellings_begin_with_the_code_and_are_unique() -> None:
    spellings = list(spellings_of(like("07", "7", "07"), frozenset()))
    assert spellings[0] == "07"
    assert len(spellings) == len(set(spellings))


def test_clashes_list_all_shared_spellings() -> None:
    first, second = like("a", "Alpha", "x"), like("b", "Beta", "X", "error a")
    spellings, clashes = index([first, second])
    assert clashes == {(first, second): ["x", "error a"]}
    assert spellings["x"] is first
