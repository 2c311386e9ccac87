"""Settings as the commands read them."""

from pathlib import Path
from typing import Any

from exporter.errors import ConfigError
from exporter.settings import Settings, read


def load(config: Path | None = None, **flags: Any) -> Settings:
    """The settings. Raises `ConfigError` when there is any mistake."""
    settings, mistakes = read(config, **flags)
    if mistakes:
        raise ConfigError(*mistakes)
    return settings
