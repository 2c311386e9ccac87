"""Markup that can't be written by accident."""

import pytest

from exporter.ops.markup import Html, element, items, joined, link

EVIL = "</p><script>alert('x')</script>\""


def test_text_is_escaped_and_markup_is_not() -> None:
    inner = element("b", EVIL)
    assert (
        element("p", EVIL, inner)
        == f"<p>{inner.removeprefix('<b>').removesuffix('</b>')}{inner}</p>"
    )
    assert "<script" not in inner


def test_attributes_are_escaped() -> None:
    made = element("a", href=f'/x"{EVIL}', aria_label=EVIL)
    assert "<script" not in made
    assert made.count('"') == 4


@pytest.mark.parametrize(
    ("given", "said"),
    [(True, "<p hidden></p>"), (False, "<p></p>"), (None, "<p></p>"), (0, '<p hidden="0"></p>')],
)
def test_true_is_an_attribute_alone_and_false_is_none(given: bool | int | None, said: str) -> None:
    assert element("p", hidden=given) == said


def test_names_of_attributes_have_hyphens() -> None:
    assert element("p", data_x_y="1", class_="c") == '<p data-x-y="1" class="c"></p>'


def test_what_has_no_end_tag_gets_none() -> None:
    assert element("input", type="search") == '<input type="search">'


def test_text_that_was_markup_is_text_again_once_python_has_changed_it() -> None:
    """`Html + text` and formatting give a plain str, so that mixing in text by mistake escapes too much
    and never too little."""
    mixed = element("b", "x") + EVIL
    assert not isinstance(mixed, Html)
    assert "<b>" not in joined(mixed)


def test_lists_and_links_escape_too() -> None:
    assert items(EVIL, "b").count("<li>") == 2
    assert "<script" not in items(EVIL) + link("/x", EVIL)
