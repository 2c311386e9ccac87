"""The API key: one line of a file, which is all that ever holds it."""

import stat
from pathlib import Path

from exporter.errors import ConfigError
from exporter.logs import Log

_log = Log("exporter.live")


def read_key(path: Path) -> str:
    """The key in a file whose other lines are blank or begin with #.

    Raises `ConfigError` with the file, and the line where there is one; never with what it says.
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
            "file of the live stats key is open to other users, chmod 600 it", path=str(path)
        )
    found = [
        (number, line.strip())
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip() and not line.strip().startswith("#")
    ]
    if not found:
        raise ConfigError(f"{path}: there is no key in it")
    if len(found) > 1:
        raise ConfigError(f"{path}:{found[1][0]}: a second key; there is one account")
    number, key = found[0]
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"{path}:{number}: a key is one word of printable ASCII characters")
    return key
