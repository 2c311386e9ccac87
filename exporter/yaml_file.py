"""YAML files that users write: nodes that know their line, and mappings that pydantic validates."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError
from yaml.constructor import SafeConstructor
from yaml.error import MarkedYAMLError
from yaml.events import CollectionEndEvent, CollectionStartEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from exporter.errors import ConfigError
from exporter.validation import message

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser, part of PyYAML's wheels: ten times as fast as PyYAML's own and as ruamel.yaml."""
_MAX_DEPTH: Final = 16
_MAX_VALUES: Final = 200_000
"""Keys and items of a file. Aliases multiply them: ten lines could take all memory."""
_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_Model = TypeVar("_Model")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, counted from 1."""

    path: str
    number: int

    def __str__(self) -> str:
        return f"{self.path}:{self.number}"


def compose(path: Path) -> Node | None:
    """The root node of a file, None for an empty file. Raises `ConfigError` as `path:line: message`."""
    try:
        text = path.read_text(encoding="utf-8")
        _check_depth(text, path)
        stream = io.StringIO(text)
        # PyYAML takes the file name of each node's mark from here.
        stream.name = str(path)
        node: Node | None = yaml.compose(stream, Loader=_Loader)
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8: {error.reason}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = chr(error.character)
        raise ConfigError(f"{path}:{line}: is not YAML: character {character!r}") from None
    except MarkedYAMLError as error:
        mark: Any = error.problem_mark
        raise ConfigError(f"{path}:{mark.line + 1}: is not YAML: {error.problem}") from None
    return node


def line_of(node: Any) -> Line:
    return Line(node.start_mark.name, node.start_mark.line + 1)


def _check_depth(text: str, path: Path) -> None:
    # libyaml's composer recurses in C: 50,000 brackets crashed the process.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                line = line_of(event).number
                raise ConfigError(f"{path}:{line}: is nested deeper than {_MAX_DEPTH} levels")
        elif isinstance(event, CollectionEndEvent):
            depth -= 1


class YamlMapping:
    """The plain `values` of a mapping, whose lines are kept.

    `what` names the mapping in messages; mistakes are appended to `mistakes`.
    """

    def __init__(self, node: MappingNode, what: str, mistakes: list[str]) -> None:
        self.what = what
        self.line = line_of(node)
        self.mistakes = mistakes
        self._nodes = {str(key.value): value for key, value in node.value}
        self._lines: dict[tuple[int | str, ...], Line] = {}
        self.values: dict[str, Any] = self._value(node, ())

    def _value(self, node: Node, place: tuple[int | str, ...]) -> Any:
        if len(self._lines) > _MAX_VALUES:
            raise ConfigError(
                f"{line_of(node)}: more than {_MAX_VALUES:,} keys and items in this file"
            )
        if isinstance(node, SequenceNode):
            for number, item in enumerate(node.value):
                self._lines[*place, number] = line_of(item)
            return [self._value(item, (*place, number)) for number, item in enumerate(node.value)]
        if isinstance(node, MappingNode):
            values: dict[str, Any] = {}
            for key, value in node.value:
                name = key.value if isinstance(key, ScalarNode) else "?"
                if name in values:
                    self.mistakes.append(f"{line_of(key)}: key {name!r} is written twice")
                self._lines[*place, name] = line_of(key)
                values[name] = self._value(value, (*place, name))
            return values
        if node.tag == _TEXT_TAG:
            return node.value
        try:
            return SafeConstructor().construct_object(node)
        except (AttributeError, LookupError, ValueError, yaml.YAMLError):
            # An unknown tag, a value that its tag does not allow, or a date such as 2026-99-99: no model
            # accepts a node.
            return node

    def line_of(self, *place: int | str) -> Line:
        """The line of a key, or of an item of a list; of what contains it if it is missing."""
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, self.line)

    def lines(self) -> Iterable[Line]:
        """The lines of all keys and items."""
        return self._lines.values()

    def wrong(self, line: Line, rule: str, *place: int | str) -> None:
        """Append a mistake."""
        path = "".join(f"[{part + 1}]" if isinstance(part, int) else f" {part}" for part in place)
        what = f"{self.what}{path}".strip()
        self.mistakes.append(f"{line}: {what}: {rule}" if what else f"{line}: {rule}")

    def validate(self, model: TypeAdapter[_Model]) -> _Model | None:
        """The values as a model; None after mistakes."""
        try:
            return model.validate_python(self.values)
        except ValidationError as error:
            for mistake in error.errors():
                place = tuple(part for part in mistake["loc"] if part != "[key]")
                self.wrong(self.line_of(*place), message(mistake), *place)
            return None

    def mappings(self, key: str) -> Iterator["YamlMapping"]:
        """The mappings of a list, named by key and place: `codes[1]`."""
        node = self._nodes.get(key)
        for number, item in enumerate(node.value if isinstance(node, SequenceNode) else ()):
            if isinstance(item, MappingNode):
                yield YamlMapping(item, f"{key}[{number + 1}]", self.mistakes)
            else:
                self.wrong(line_of(item), "must be a mapping of keys", key, number)

    def take(self, key: str, other: "YamlMapping") -> None:
        """Copy a key, with its lines, from another mapping. Lists are joined, other values replaced."""
        mine, theirs = self.values.get(key), other.values[key]
        if not isinstance(mine, list) or not isinstance(theirs, list):
            mine = []
            self._lines[(key,)] = other.line_of(key)
        if isinstance(theirs, list):
            for number in range(len(theirs)):
                self._lines[key, len(mine) + number] = other.line_of(key, number)
            theirs = mine + theirs
        self.values[key] = theirs


def read(path: Path, mistakes: list[str]) -> YamlMapping | None:
    """The mapping in a file; None after a mistake."""
    try:
        node = compose(path)
        if isinstance(node, MappingNode):
            return YamlMapping(node, "", mistakes)
        mistakes.append(f"{path}:1: must be a mapping of keys")
    except ConfigError as error:
        mistakes += error.mistakes
    except RecursionError:
        mistakes.append(f"{path}: contains itself")
    return None
