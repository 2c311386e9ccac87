"""Strict reading of a YAML mapping: values keep their file and line, and all mistakes are collected."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from yaml.nodes import CollectionNode, MappingNode, ScalarNode, SequenceNode

from exporter.errors import ConfigError
from exporter.yaml_file import Line, compose, kind_of, line_of

_TEXT_TAG: Final = "tag:yaml.org,2002:str"


class Text(NamedTuple):
    value: str
    line: Line


class YamlMapping:
    """The keys of a YAML mapping. `what` names it in messages; mistakes are appended to `mistakes`.

    After a mistake, and for a missing key, a getter returns an empty value: one run finds all mistakes.
    """

    def __init__(self, node: MappingNode, what: str, mistakes: list[str]) -> None:
        self.what = what
        self.line = line_of(node)
        self._mistakes = mistakes
        self._nodes: dict[str, Any] = {}
        self._key_lines: dict[str, Line] = {}
        for key, value in node.value:
            line = line_of(key)
            if not isinstance(key, ScalarNode):
                self.wrong(line, f"a key in {what} must be one text, not {kind_of(key)}")
            elif key.value in self._nodes:
                first = self._key_lines[key.value].relative_to(line)
                self.wrong(line, f"key {key.value!r} is in {what} twice, first on {first}")
            else:
                self._nodes[key.value] = value
                self._key_lines[key.value] = line

    def __contains__(self, key: str) -> bool:
        return key in self._nodes

    def wrong(self, place: Line | str, message: str) -> None:
        """Append a mistake in a line, or in the line of a key; only once if a value is read twice."""
        line = self.line_of(place) if isinstance(place, str) else place
        if (mistake := f"{line}: {message}") not in self._mistakes:
            self._mistakes.append(mistake)

    def names(self) -> list[str]:
        return list(self._nodes)

    def line_of(self, key: str) -> Line:
        """The line of a key; the line of the mapping if the key is missing."""
        return self._key_lines.get(key, self.line)

    def lines_of(self, key: str) -> list[Line]:
        """The line of each item of a list, or the line of the key."""
        node = self._nodes.get(key)
        if isinstance(node, SequenceNode):
            return [line_of(item) for item in node.value]
        return [self.line_of(key)]

    def take(self, key: str, other: "YamlMapping") -> None:
        """Copy a key, with its line, from another mapping. Lists are joined, other values replaced."""
        mine, theirs = self._nodes.get(key), other._nodes[key]
        if isinstance(mine, SequenceNode) and isinstance(theirs, SequenceNode):
            items = [*mine.value, *theirs.value]
            self._nodes[key] = SequenceNode(mine.tag, items, mine.start_mark, mine.end_mark)
        else:
            self._nodes[key], self._key_lines[key] = theirs, other._key_lines[key]

    def expect(self, required: Sequence[str], optional: Sequence[str] = ()) -> None:
        """Report unknown and missing keys."""
        allowed = ", ".join((*required, *optional))
        for key in self._nodes:
            if key not in (*required, *optional):
                self.wrong(key, f"unknown key {key!r} in {self.what}; allowed are {allowed}")
        for key in required:
            if key not in self._nodes:
                keys = ", ".join(required)
                self.wrong(key, f"key {key!r} is missing in {self.what}; required are {keys}")

    def text(self, key: str, *, longest: int | None = None, most_bytes: int | None = None) -> str:
        """A text that is not empty. With `longest`, a single line of at most that many characters."""
        node = self._nodes.get(key)
        if node is None:
            return ""
        value = self._text(node, self.line_of(key), key, longest).value
        size = len(value.encode())
        if most_bytes is not None and size > most_bytes:
            self.wrong(key, f"{key} in {self.what} has {size} bytes; allowed are {most_bytes}")
        return value

    def number(self, key: str, *, least: float, below: float = math.inf) -> float | None:
        """A number, at least `least` and less than `below`."""
        try:
            value = float(self.scalar(key) or "nan")
        except ValueError:
            value = math.nan
        if least <= value < below:
            return value
        bound = f", less than {below:g}" if below < math.inf else ""
        if key in self:
            self.wrong(key, f"{key} in {self.what} must be a number from {least:g}{bound}")
        return None

    def flag(self, key: str) -> bool:
        written = self.scalar(key)
        if key in self and written not in ("true", "false"):
            self.wrong(key, f"{key} in {self.what} must be true or false")
        return written == "true"

    def one_of(self, key: str, allowed: Sequence[str], otherwise: str = "") -> str:
        """One of the allowed texts; `otherwise` after a mistake."""
        value = self.text(key)
        if value in allowed:
            return value
        if value:
            texts = ", ".join(allowed)
            self.wrong(key, f"{key} {value!r} in {self.what} is not allowed; allowed are {texts}")
        return otherwise

    def texts(self, key: str, *, longest: int) -> list[Text]:
        """The texts of a list that are right, each a single line."""
        texts = (self._text(node, line_of(node), key, longest) for node in self._items(key))
        return [text for text in texts if text.value]

    def scalar(self, key: str) -> str | None:
        """A value as written; None if the key is missing or has a list or mapping. Reports no mistake."""
        node = self._nodes.get(key)
        return node.value if isinstance(node, ScalarNode) else None

    def mapping(self, key: str) -> "YamlMapping | None":
        return self._mapping(self._nodes.get(key), key)

    def mappings(self, key: str) -> Iterator["YamlMapping"]:
        """A list of mappings, named by key and place: `codes[1]`."""
        for place, node in enumerate(self._items(key), start=1):
            if (item := self._mapping(node, f"{key}[{place}]")) is not None:
                yield item

    def _text(self, node: Any, line: Line, key: str, longest: int | None) -> Text:
        if not isinstance(node, ScalarNode):
            self.wrong(line, f"{key} in {self.what} must be one text, not {kind_of(node)}")
        elif not (value := node.value.strip()):
            self.wrong(line, f"{key} in {self.what} is empty")
        elif node.tag != _TEXT_TAG:
            quoted = f'quote it as "{node.value}"'
            self.wrong(line, f"{key} {node.value} in {self.what} is not text in YAML: {quoted}")
        else:
            if rule := _broken_rule(value, longest):
                self.wrong(line, f"{key} {value[:40]!r} in {self.what} {rule}")
            return Text(value, line)
        return Text("", line)

    def _items(self, key: str) -> list[Any]:
        node = self._nodes.get(key)
        return self._content(node, SequenceNode, f"{key} in {self.what}", "a list")

    def _mapping(self, node: Any, name: str) -> "YamlMapping | None":
        self._content(node, MappingNode, name, "a mapping of keys")
        return YamlMapping(node, name, self._mistakes) if isinstance(node, MappingNode) else None

    def _content(
        self, node: Any, kind: type[CollectionNode], name: str, expected: str
    ) -> list[Any]:
        """The items of a list or mapping; a mistake if it is another kind of node, or empty."""
        if node is not None and not isinstance(node, kind):
            self.wrong(line_of(node), f"{name} must be {expected}, not {kind_of(node)}")
        elif node is not None and not node.value:
            self.wrong(line_of(node), f"{name} is empty")
        return list(node.value) if isinstance(node, kind) else []


def read(path: Path, what: str, mistakes: list[str]) -> YamlMapping | None:
    """The mapping in a file, named `what` in messages; None after a mistake."""
    try:
        node = compose(path)
    except ConfigError as error:
        mistakes += error.mistakes
        return None
    if isinstance(node, MappingNode):
        return YamlMapping(node, what, mistakes)
    mistakes.append(f"{path}:1: {what} must be a mapping of keys, not {kind_of(node)}")
    return None


def _broken_rule(value: str, longest: int | None) -> str:
    """The rule for labels and lines that a text breaks, or ""."""
    if longest is not None and len(value) > longest:
        return f"has {len(value)} characters; allowed are {longest}"
    # isprintable also refuses bidi overrides, which would reverse the text of a runbook.
    plain = value if longest is not None else value.replace("\n", "")
    return "" if plain.isprintable() else "has characters that can't be printed"
