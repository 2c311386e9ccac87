"""Reads settings: flags win over variables, variables over the TOML file. A mistake is a line of text."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError

from exporter.errors import ConfigError
from exporter.settings.ledger_address import masked
from exporter.settings.model import Settings, conflicts
from exporter.settings.values import Quantity, split
from exporter.validation import message

PREFIX: Final = "SESSION_EXPORTER_"
_PATHS: Final = {
    name
    for name, field in Settings.model_fields.items()
    if Path in (field.annotation, *get_args(field.annotation))
}


def read(config: Path | None = None, **flags: Any) -> tuple[Settings, list[str]]:
    """The settings and every mistake in them, a line each. A wrong setting has its default.

    `config` is a TOML file; without it, `SESSION_EXPORTER_CONFIG` may name one. Paths in the file are
    relative to its folder. Flags that are None are not set.
    """
    variables = {
        key[len(PREFIX) :].lower(): key for key in os.environ if key.upper().startswith(PREFIX)
    }
    named = os.environ[variables.pop("config")] if "config" in variables else ""
    # The value of an unknown variable is not shown: it may be a token in the wrong place.
    unknown = {name: key for name, key in variables.items() if name not in Settings.model_fields}
    mistakes = [f"{unknown[name]}: no such setting" for name in sorted(unknown)]
    config = config or (Path(named) if named else None)
    table = _table(config, mistakes) if config is not None else {}
    given = {name: value for name, value in flags.items() if value is not None}
    set_by = {name: key for name, key in variables.items() if name not in unknown}
    places = {name: f"{config}: {name}" for name in table} | set_by | {name: name for name in given}
    values = table | {name: os.environ[key] for name, key in set_by.items()} | given
    wrong: set[str] = set()
    try:
        settings = Settings(**values)
    except ValidationError as error:
        mistakes += [_mistake(dict(item), values, places) for item in error.errors()]
        wrong = {str(item["loc"][0]) for item in error.errors()}
        settings = Settings(**{name: value for name, value in values.items() if name not in wrong})
    for names, instruction in conflicts(settings):
        if wrong.isdisjoint(names):
            name = names[0]
            value = values.get(name, getattr(settings, name))
            mistakes.append(_assigned(places.get(name, name), value, instruction))
    return settings, mistakes


def _table(path: Path, mistakes: list[str]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        mistakes.append(f"{path}: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        mistakes.append(f"{path}: not TOML: {error}")
    for key in _PATHS & table.keys():
        value = split(table[key]) if key == "taxonomy" else table[key]
        table[key] = _relative_to(path.parent, value)
    return table


def _relative_to(folder: Path, value: Any) -> Any:
    """A path, or each path of a list, relative to `folder`; other values are mistakes to be found later."""
    if isinstance(value, list):
        return [_relative_to(folder, item) for item in value]
    return str(folder / value) if value and isinstance(value, str) else value


def _mistake(error: Mapping[str, Any], values: Mapping[str, Any], places: Mapping[str, str]) -> str:
    """One of pydantic's errors; `places` says where each of the `values` was set."""
    name, *index = error["loc"]
    place = places[name] + "".join(f"[{number}]" for number in index)
    if error["type"] == "extra_forbidden":
        return f"{place}: no such setting"
    rule = message(error)
    if error["type"].startswith(("greater_than", "less_than")):
        quantities = (
            item for item in Settings.model_fields[name].metadata if isinstance(item, Quantity)
        )
        rule += "".join(f" {quantity.unit}" for quantity in quantities)
    # The input of a bound is a number of seconds or bytes, whatever its unit was.
    return _assigned(place, error["input"] if index else values[name], rule)


def _assigned(place: str, value: object, instruction: str) -> str:
    """The mistake at `place`: its value, with passwords hidden, and the instruction."""
    if isinstance(value, str) and "://" in value:
        value = masked(value)
    return f"{place} = {value!r}: {instruction}"


def load(config: Path | None = None, **flags: Any) -> Settings:
    """The settings. Raises `ConfigError` when there is any mistake."""
    settings, mistakes = read(config, **flags)
    if mistakes:
        raise ConfigError(*mistakes)
    return settings
