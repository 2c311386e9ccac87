"""The scripts that run inside the engine, by name and by the hash that it calls them by."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Script:
    """The text of a `.lua` file of this folder and its SHA-1, which is what EVALSHA wants."""

    text: bytes
    sha: str


def _script(name: str) -> Script:
    text = (Path(__file__).parent / f"{name}.lua").read_bytes()
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


COMMIT: Final = _script("commit")
READ: Final = _script("read")
REGISTER: Final = _script("register")
HOLD: Final = _script("hold")
MARK: Final = _script("mark")
ALIVE: Final = _script("alive")
ALL: Final = (COMMIT, READ, REGISTER, HOLD, MARK, ALIVE)
