"""Where settings come from: flags win over variables, variables over the TOML file."""

import os
import tomllib
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError

from exporter.errors import ConfigError
from exporter.settings.mistakes import assigned, mistake, no_such_setting
from exporter.settings.model import Settings, conflicts
from exporter.settings.values import split

PREFIX: Final = "SESSION_EXPORTER_"
_PATHS: Final = {
    name
    for name, field in Settings.model_fields.items()
    if Path in (field.annotation, *get_args(field.annotation))
}


def load(config: Path | None = None, **flags: Any) -> Settings:
    """The settings, as `read` finds them. Raises `ConfigError` when there is any mistake."""
    settings, mistakes = read(config, **flags)
    if mistakes:
        raise ConfigError(*mistakes)
    return settings


def read(config: Path | None = None, **flags: Any) -> tuple[Settings, list[str]]:
    """The settings and every mistake in them, a line each. A wrong setting has its default.

    `config` is a TOML file; without it, `SESSION_EXPORTER_CONFIG` may name one. Paths in the file are
    relative to its folder. Flags that are None are not set.
    """
    variables = {
        key[len(PREFIX) :].lower(): key for key in os.environ if key.upper().startswith(PREFIX)
    }
    named = os.environ[variables.pop("config")] if "config" in variables else ""
    # Its value is not shown: it may be a token in the wrong place.
    unknown = {name: key for name, key in variables.items() if name not in Settings.model_fields}
    mistakes = [f"{unknown[name]}: {no_such_setting(name)}" for name in sorted(unknown)]
    config = config or (Path(named) if named else None)
    table: dict[str, Any] = {}
    if config is not None:
        try:
            table = _table(config)
        except ConfigError as error:
            mistakes += error.mistakes
    given = {name: value for name, value in flags.items() if value is not None}
    set_by = {name: key for name, key in variables.items() if name not in unknown}
    places = {name: f"{config}: {name}" for name in table} | set_by | {name: name for name in given}
    values = table | {name: os.environ[key] for name, key in set_by.items()} | given
    wrong: set[str] = set()
    try:
        settings = Settings(**values)
    except ValidationError as error:
        mistakes += [mistake(dict(item), places) for item in error.errors()]
        wrong = {str(item["loc"][0]) for item in error.errors()}
        settings = Settings(**{name: value for name, value in values.items() if name not in wrong})
    for conflict in conflicts(settings):
        if wrong.isdisjoint(conflict.settings):
            name = conflict.settings[0]
            value = values.get(name, getattr(settings, name))
            mistakes.append(assigned(places.get(name, name), value, conflict.text))
    return settings, mistakes


def _table(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    for key in _PATHS & table.keys():
        value = split(table[key]) if key == "taxonomy" else table[key]
        table[key] = _relative_to(path.parent, value)
    return table


def _relative_to(folder: Path, value: Any) -> Any:
    """A path, or each path of a list, relative to `folder`; other values are mistakes to be found later."""
    if isinstance(value, list):
        return [_relative_to(folder, item) for item in value]
    return str(folder / value) if isinstance(value, str) else value
