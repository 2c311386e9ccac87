"""The API key: one line of a file, which is all that ever holds it."""

from pathlib import Path

from exporter.errors import ConfigError
from exporter.secret_file import is_word, secrets


def read_key(path: Path) -> str:
    """The key in a file whose other lines are blank or begin with #.

    Raises `ConfigError` with the file, and the line where there is one; never with what it says.
    """
    found = secrets(path, "file of the live stats key")
    if not found:
        raise ConfigError(f"{path}: there is no key in it")
    if len(found) > 1:
        raise ConfigError(f"{path}:{found[1][0]}: a second key; there is one account")
    number, key = found[0]
    if not is_word(key):
        raise ConfigError(f"{path}:{number}: a key is one word of printable ASCII characters")
    return key
