"""Alerts' names: from the codes' names, one for each, whatever script those are written in."""

from dataclasses import replace

import pytest

from exporter.errors import ConfigError
from exporter.render.catalog import subjects
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Taxonomy

TAXONOMY = load()
ROW = next(one for one in TAXONOMY.systems["streampixel"].codes if one.code == "4001")


def acme(*codes: tuple[str, str], system: str = "acme") -> Taxonomy:
    """A system with these codes and names, all of which page."""
    rows = tuple(replace(ROW, system=system, code=code, name=name) for code, name in codes)
    base = TAXONOMY.systems["streampixel"]
    unknown = replace(base.unknown, system=system)
    return Taxonomy({system: replace(base, system=system, codes=rows, unknown=unknown)})


def spikes(*codes: tuple[str, str]) -> list[str]:
    """The names of the codes' spikes, without the unknown code's."""
    found = [one.alert for one in subjects(acme(*codes)) if one.signal == "spike"]
    return found[:-1]


def test_a_name_is_its_words_with_capitals_and_keeps_those_inside() -> None:
    assert spikes(("1", "TLSHandshakeFailed"), ("2", "not found, after all")) == [
        "AcmeTLSHandshakeFailedSpike",
        "AcmeNotFoundAfterAllSpike",
    ]


@pytest.mark.parametrize("name", ["終了", "接続 30", "…", "Ω", "404"])
def test_a_name_without_ascii_letters_gives_way_to_the_code(name: str) -> None:
    assert spikes(("e-7.1", name)) == ["AcmeE71Spike"]


def test_two_names_without_ascii_letters_are_two_alerts() -> None:
    assert spikes(("4001", "終了"), ("4002", "切断")) == ["Acme4001Spike", "Acme4002Spike"]


@pytest.mark.parametrize("names", [("Gone", "Gone"), ("Not found", "Not - Found"), ("a b", "A-B")])
def test_names_that_give_one_word_have_their_codes_too(names: tuple[str, str]) -> None:
    first, second = spikes(("7", names[0]), ("8", names[1]))
    assert (first[-6:], second[-6:]) == ("7Spike", "8Spike")


def test_a_code_that_is_called_unknown_code_is_told_from_the_unknown_one() -> None:
    found = [one.alert for one in subjects(acme(("7", "Unknown code")))]
    assert found[:1] == ["AcmeUnknownCode7Spike"]
    assert "AcmeUnknownCodeUnknownSpike" in found


def test_codes_that_can_only_have_one_name_are_refused_once_for_all_their_alerts() -> None:
    with pytest.raises(ConfigError) as caught:
        subjects(acme(("a.b", "終了"), ("a-b", "切断")))
    assert caught.value.mistakes == (
        "code 'a.b' of system 'acme' and code 'a-b' of system 'acme' would both have the alert "
        "AcmeABABSpike; give one another name",
    )


def test_a_name_that_ends_as_anothers_code_is_refused() -> None:
    with pytest.raises(ConfigError, match="AcmeGone7Spike; give one another name"):
        subjects(acme(("7", "Gone"), ("8", "Gone"), ("9", "Gone 7")))


def test_systems_and_codes_that_run_into_each_other_are_refused() -> None:
    both = acme(("1", "B C"), system="a").systems | acme(("1", "C"), system="a_b").systems
    with pytest.raises(ConfigError) as caught:
        subjects(Taxonomy(both))
    assert caught.value.mistakes == (
        "code '1' of system 'a' and code '1' of system 'a_b' would both have the alert ABCSpike; "
        "give one another name",
    )


def test_every_shipped_alert_has_its_own_name() -> None:
    found = [one.alert for one in subjects(TAXONOMY)]
    assert len(set(found)) == len(found) > 100
