"""A YAML file as it was written: every value keeps its file and line, and every mistake is kept too."""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import CollectionEndEvent, CollectionStartEvent
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.reader import ReaderError

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser, which PyYAML's wheels carry; a build without it is slower and says the same."""
_DEEPEST: Final = 16
_TEXT_TAG: Final = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, from 1."""

    path: str
    number: int

    def __str__(self) -> str:
        return f"{self.path}:{self.number}"

    def seen_from(self, other: "Line") -> str:
        """`line 7`, or with its path when `other` is in another file."""
        return f"line {self.number}" if self.path == other.path else str(self)


@dataclass(frozen=True, slots=True)
class Text:
    """A text and the line it stands on."""

    value: str
    line: Line


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as it was written; `is_text` says whether YAML takes it for a text, as with quotes."""

    written: str
    is_text: bool


class Mapping:
    """The keys of one YAML mapping; what is wrong with them goes to `mistakes`.

    Getters answer with something empty after a mistake, so that one run finds them all; what they
    answered is only worth using when `mistakes` stayed empty. `what` names the mapping in messages.
    """

    def __init__(self, node: MappingNode, what: str, mistakes: list[str]) -> None:
        self.what = what
        self.line = _line(node)
        self._mistakes = mistakes
        self._nodes: dict[str, Any] = {}
        self._key_lines: dict[str, Line] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.wrong(_line(key), f"a key in {what} must be one text, not {_kind(key)}")
                continue
            name = str(key.value)
            if name in self._nodes:
                first = self._key_lines[name].seen_from(_line(key))
                self.wrong(_line(key), f"key {name!r} is in {what} twice, first on {first}")
                continue
            self._nodes[name] = value
            self._key_lines[name] = _line(key)

    def __contains__(self, key: str) -> bool:
        return key in self._nodes

    def wrong(self, line: Line, message: str) -> None:
        """Keeps a mistake as `path:line: message`, once although a value may be read twice."""
        if (mistake := f"{line}: {message}") not in self._mistakes:
            self._mistakes.append(mistake)

    def names(self) -> list[str]:
        """The keys there are, in the file's order."""
        return list(self._nodes)

    def line_of(self, key: str) -> Line:
        """The line of the key, or of the mapping when the key is missing."""
        return self._key_lines.get(key, self.line)

    def lines_of(self, key: str) -> list[Line]:
        """The line of each item when the key has a list, else of the key."""
        node = self._nodes.get(key)
        if isinstance(node, SequenceNode):
            return [_line(item) for item in node.value]
        return [self.line_of(key)]

    def take(self, key: str, other: "Mapping") -> None:
        """Takes a key from another mapping: a list is added to the one that is there, any other value
        replaces it. What is taken keeps its line."""
        mine, theirs = self._nodes.get(key), other._nodes[key]
        if isinstance(mine, SequenceNode) and isinstance(theirs, SequenceNode):
            items = [*mine.value, *theirs.value]
            self._nodes[key] = SequenceNode(mine.tag, items, mine.start_mark, mine.end_mark)
        else:
            self._nodes[key], self._key_lines[key] = theirs, other._key_lines[key]

    def expect(self, required: Sequence[str], optional: Sequence[str] = ()) -> None:
        """Refuses unknown keys and names the missing ones."""
        allowed = [*required, *optional]
        for key, line in self._key_lines.items():
            if key not in allowed:
                self.wrong(
                    line, f"unknown key {key!r} in {self.what}; allowed are {', '.join(allowed)}"
                )
        for key in required:
            if key not in self._nodes:
                self.wrong(
                    self.line,
                    f"key {key!r} is missing in {self.what}; required are {', '.join(required)}",
                )

    def text(self, key: str, *, longest: int | None = None, most_bytes: int | None = None) -> str:
        """A text that is not empty; with `longest` (characters) a single line of at most that."""
        node = self._nodes.get(key)
        if node is None:
            return ""
        value = self._text(node, self.line_of(key), key, longest).value
        size = len(value.encode())
        if most_bytes is not None and size > most_bytes:
            self.wrong(
                self.line_of(key),
                f"{key} in {self.what} has {size} bytes; allowed are {most_bytes}",
            )
        return value

    def number(self, key: str, *, least: float, below: float = math.inf) -> float | None:
        """A number from `least` up to, not including, `below`; None when the key is missing or wrong."""
        node = self._nodes.get(key)
        if node is None:
            return None
        try:
            value = float(node.value) if isinstance(node, ScalarNode) else math.nan
        except ValueError:
            value = math.nan
        if least <= value < below:
            return value
        bound = f", less than {below:g}" if below < math.inf else ""
        self.wrong(
            self.line_of(key), f"{key} in {self.what} must be a number from {least:g}{bound}"
        )
        return None

    def flag(self, key: str) -> bool:
        """`true` or `false`; false when the key is missing."""
        node = self._nodes.get(key)
        if node is None:
            return False
        if not isinstance(node, ScalarNode) or node.value not in ("true", "false"):
            self.wrong(self.line_of(key), f"{key} in {self.what} must be true or false")
            return False
        return bool(node.value == "true")

    def one_of(self, key: str, allowed: Sequence[str], otherwise: str = "") -> str:
        """One of the allowed texts; `otherwise` after a mistake."""
        value = self.text(key)
        if value in allowed:
            return value
        if value:
            self.wrong(
                self.line_of(key),
                f"{key} {value!r} in {self.what} is not allowed; allowed are {', '.join(allowed)}",
            )
        return otherwise

    def texts(self, key: str, *, longest: int) -> list[Text]:
        """A list of single-line texts; empty when the key is missing."""
        return [self._text(node, _line(node), key, longest) for node in self._items(key)]

    def pairs(self, key: str, *, longest: int) -> list[tuple[Text, str]]:
        """A mapping of free keys to single-line texts, such as categories to headings."""
        inner = self.mapping(key)
        if inner is None:
            return []
        return [
            (Text(name, line), inner.text(name, longest=longest))
            for name, line in inner._key_lines.items()
        ]

    def scalar(self, key: str) -> Scalar | None:
        """The one value of a key, whatever its type; None when the key is missing or has more than one.
        Keeps no mistake: what is allowed is for the caller to say."""
        node = self._nodes.get(key)
        if not isinstance(node, ScalarNode):
            return None
        return Scalar(node.value, node.tag == _TEXT_TAG)

    def mapping(self, key: str) -> "Mapping | None":
        """The mapping of a key, named by the key; None when the key is missing or has something else."""
        return self._mapping(self._nodes.get(key), key)

    def mappings(self, key: str) -> Iterator["Mapping"]:
        """A list of mappings, each named by the key and its place in the list, from 1."""
        for place, node in enumerate(self._items(key), start=1):
            inner = self._mapping(node, f"{key}[{place}]")
            if inner is not None:
                yield inner

    def _text(self, node: Any, line: Line, key: str, longest: int | None) -> Text:
        if not isinstance(node, ScalarNode):
            self.wrong(line, f"{key} in {self.what} must be one text, not {_kind(node)}")
        elif not node.value.strip():
            self.wrong(line, f"{key} in {self.what} is empty")
        elif node.tag != _TEXT_TAG:
            self.wrong(
                line,
                f"{key} {node.value} in {self.what} is not text to YAML: "
                f'quote it as "{node.value}"',
            )
        else:
            value = node.value.strip()
            if fault := _fault(value, longest):
                self.wrong(line, f"{key} {value[:40]!r} in {self.what} {fault}")
            return Text(value, line)
        return Text("", line)

    def _items(self, key: str) -> list[Any]:
        node = self._nodes.get(key)
        if node is None:
            return []
        if not isinstance(node, SequenceNode):
            self.wrong(_line(node), f"{key} in {self.what} must be a list, not {_kind(node)}")
            return []
        if not node.value:
            self.wrong(_line(node), f"{key} in {self.what} is empty")
        return list(node.value)

    def _mapping(self, node: Any, name: str) -> "Mapping | None":
        if node is None:
            return None
        if not isinstance(node, MappingNode):
            self.wrong(_line(node), f"{name} must be a mapping of keys, not {_kind(node)}")
            return None
        if not node.value:
            self.wrong(_line(node), f"{name} is empty")
        return Mapping(node, name, self._mistakes)


def read(path: Path, what: str, mistakes: list[str]) -> Mapping | None:
    """The mapping a file holds, named `what` in messages; None when it holds none.

    Composes nodes and constructs nothing: a node has its line. PyYAML and not ruamel.yaml, whose
    scanner took 60 to 85 ms for the shipped files at every start, where libyaml takes 6.
    """
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        if deep := _too_deep(text):
            mistakes.append(f"{path}:{deep}: is nested deeper than {_DEEPEST} levels")
            return None
        stream = io.StringIO(text)
        # Every node's mark has the name of its stream.
        stream.name = str(path)
        node = yaml.compose(stream, Loader=_Loader)
    except OSError as error:
        mistakes.append(f"{path}: can't be read: {error.strerror}")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        mistakes.append(f"{path}:{line}: is not UTF-8: {error.reason}")
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        mistakes.append(f"{path}:{line}: is not YAML: character {chr(error.character)!r}")
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        mistakes.append(f"{path}:{mark.line + 1 if mark else 1}: is not YAML: {error.problem}")
    except YAMLError as error:
        mistakes.append(f"{path}:1: is not YAML: {error}")
    else:
        if isinstance(node, MappingNode):
            return Mapping(node, what, mistakes)
        found = "an empty file" if node is None else _kind(node)
        mistakes.append(f"{path}:1: {what} must be a mapping of keys, not {found}")
    return None


def _too_deep(text: str) -> int:
    """The line on which the nesting gets too deep, 0 for none: libyaml's composer recurses in C, and
    a file of 50,000 brackets ended the process without a word."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                return _line(event).number
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
    return 0


def _line(node: Any) -> Line:
    return Line(node.start_mark.name, node.start_mark.line + 1)


def _kind(node: Any) -> str:
    if isinstance(node, MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, SequenceNode) else "a single value"


def _fault(value: str, longest: int | None) -> str:
    """Why a text can't be a label, a heading or a line in a terminal; empty when it can."""
    if longest is not None and len(value) > longest:
        return f"has {len(value)} characters; allowed are {longest}"
    # Not only control characters: a bidi override would turn a runbook's text around.
    plain = value if longest is not None else value.replace("\n", "")
    return "" if plain.isprintable() else "has characters that can't be printed"
