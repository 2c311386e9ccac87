"""The README's table of settings, made from `exporter.settings`.

`python -m tests.readme_settings` writes it into README.md.
"""

import re
from pathlib import Path
from typing import Any, Final

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from exporter import settings
from exporter.settings import Settings

README: Final = Path(__file__).parent.parent / "README.md"
MARKED: Final = re.compile(r"(<!-- settings: [^>]* -->\n).*?(<!-- settings end -->)", re.DOTALL)


def table() -> str:
    """Field, default as one would write it, description."""
    rows = [
        f"| `{name}` | {default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(("| setting | default | what it is |", "|---|---|---|", *rows, ""))


def default(field: FieldInfo) -> str:
    """Seconds and bytes in the largest unit that the setting takes and that keeps them whole."""
    value = field.default
    if value is None or value == ():
        return "none"
    reads = [one.func for one in field.metadata if isinstance(one, BeforeValidator)]
    if settings._seconds in reads:
        return f"`{_in(value, {'d': 86400, 'h': 3600, 'm': 60}, 's')}`"
    if settings._bytes in reads:
        return f"`{_in(value, {'GiB': 1024**3, 'MiB': 1024**2, 'KiB': 1024}, '')}`"
    return f"`{value}`"


def _in(value: Any, units: dict[str, int], plain: str) -> str:
    for unit, size in units.items():
        if value % size == 0:
            return f"{value // size:g}{unit}"
    return f"{value:g}{plain}"


def write(readme: str) -> str:
    """`readme` with the table between its marks."""
    return MARKED.sub(lambda found: found[1] + table() + found[2], readme)


if __name__ == "__main__":
    README.write_text(write(README.read_text(encoding="utf-8")), encoding="utf-8")
