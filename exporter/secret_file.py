"""Files of secrets, one per line. Their content is never logged."""

import os
import stat
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError

OPEN: Final = "other users can read this file: run chown to the exporter's user, then chmod 600"
"""Both commands: after chmod alone, the exporter could not read a file of another owner."""


def secrets(path: Path) -> list[tuple[int, str]]:
    """The lines of a file with their numbers from 1, without blank lines and lines that begin with #.

    Raises `ConfigError`, which names the file and never has its content.
    """
    lines = ((number, line.strip()) for number, line in enumerate(_text(path).split("\n"), 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def password(path: Path) -> str:
    """The only line of a file. Raises `ConfigError`, which never repeats the password."""
    text = _text(path).rstrip("\r\n")
    if not text or {"\r", "\n"} & set(text):
        raise ConfigError(f"{path}: a password is one line")
    return text


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None


def is_open(path: Path) -> bool:
    """Whether other users can read or write a regular file."""
    try:
        status = path.stat()
    except OSError:
        return False
    # The group may read a file of root or of another owner: the exporter reads it through its group.
    closed = 0o077 if status.st_uid == os.geteuid() != 0 else 0o037
    return stat.S_ISREG(status.st_mode) and bool(status.st_mode & closed)


def is_word(secret: str) -> bool:
    """Whether a header can carry the secret: printable ASCII characters without a space."""
    return secret.isascii() and secret.isprintable() and " " not in secret
