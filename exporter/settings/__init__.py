"""All settings: one frozen object, from flags, `SESSION_EXPORTER_*` variables and a TOML file."""

from exporter.settings.model import Settings
from exporter.settings.source import PREFIX, load, read
from exporter.settings.values import is_loopback

__all__ = ["PREFIX", "Settings", "is_loopback", "load", "read"]
