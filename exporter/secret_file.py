"""Files of secrets: one a line, for the exporter's user alone, and never in a log."""

import stat
from pathlib import Path

from exporter.errors import ConfigError
from exporter.logs import Log

_log = Log("exporter.secrets")


def secrets(path: Path, what: str) -> list[tuple[int, str]]:
    """The lines of a file with their numbers from 1, those that are blank or begin with # left out.

    A file that other users can read is warned of as `what`. Raises `ConfigError`, which names the file and
    never says what is in it.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        _log.warning(
            f"{what} is open to other users, chmod 600 it",
            path=str(path),
            mode=f"{stat.S_IMODE(mode):04o}",
        )
    lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def is_word(secret: str) -> bool:
    """Whether it can stand in a header: printable ASCII characters without a space."""
    return secret.isascii() and secret.isprintable() and " " not in secret
