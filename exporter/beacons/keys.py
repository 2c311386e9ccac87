"""Keys of sites: made here, and known by their hashes only.

A key is read by everybody who opens the page's source: it can do no more than send this site's events.
The hash keeps the file from being one more place to read it.
"""

import hashlib
import secrets
from typing import Final

PREFIX: Final = "sha256:"
_BYTES: Final = 18
"""144 bits, 24 characters of base64: no guess meets a key, so that nothing slow has to hash it."""


def make() -> str:
    """A new key, of characters that a path takes as they are."""
    return secrets.token_urlsafe(_BYTES)


def digest(key: str) -> str:
    """What stands for a key in the file of sites."""
    return PREFIX + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
