"""YAML files that users write, parsed into nodes that know their line."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.error import MarkedYAMLError
from yaml.events import CollectionEndEvent, CollectionStartEvent
from yaml.nodes import Node
from yaml.reader import ReaderError

from exporter.errors import ConfigError

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser, part of PyYAML's wheels: ten times as fast as PyYAML's own and as ruamel.yaml."""
_MAX_DEPTH: Final = 16


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
