"""Attributes that are probably a code under another name: without a code, an end counts as a normal one."""

from typing import Final

from exporter.event_fields import nearest_field

_MAX_NAMES: Final = 100
"""Names of a request that are compared: senders choose them, and a comparison takes 50 µs."""


class NearCode(dict[str, bool]):
    """Whether the name of an attribute is near `code`; for the first names of a request."""

    def __missing__(self, name: str) -> bool:
        if len(self) >= _MAX_NAMES:
            return False
        # `code.function.name` is a place in a program, `http.response.status_code` is of another protocol.
        other = name.startswith("code.") or name.endswith(".status_code")
        near = self[name] = nearest_field(name) == "code" and not other
        return near
