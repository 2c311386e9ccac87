"""HTML from Python: text is escaped unless it is markup already, so that forgetting it takes effort."""

from html import escape
from typing import Final

_VOID: Final = frozenset({"br", "input", "wbr"})

Attribute = str | int | float | bool | None


class Html(str):
    """Markup: what `element` makes. Wrap nothing in it that anybody but this package wrote."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: Attribute) -> Html:
    """`<tag …>children</tag>`. A child that is no `Html` is text.

    Names of attributes have underscores for hyphens, and one at the end where Python has the word
    (`class_`). True is an attribute without a value; False and None are none.
    """
    start = tag
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        start += " " + name.rstrip("_").replace("_", "-")
        if value is not True:
            start += f'="{escape(str(value))}"'
    if tag in _VOID:
        return Html(f"<{start}>")
    return Html(f"<{start}>{joined(*children)}</{tag}>")


def joined(*children: str) -> Html:
    """Children one after the other, without an element around them."""
    return Html("".join(one if isinstance(one, Html) else escape(one) for one in children))


def link(target: str, *children: str, **attributes: Attribute) -> Html:
    """A link; `target` is a path of this listener or a fragment, made by `exporter.ops.links`."""
    return element("a", *children, href=target, **attributes)


def items(*children: str, tag: str = "ul", **attributes: Attribute) -> Html:
    """A list, an item for each child."""
    return element(tag, *(element("li", one) for one in children), **attributes)
