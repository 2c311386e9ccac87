"""The table of settings in docs/settings.md, generated from `exporter.settings`.

`python -m tests.settings_table` writes it.
"""

import re
from pathlib import Path
from typing import Any, Final

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from exporter import settings
from exporter.settings import Settings

PAGE: Final = Path(__file__).parent.parent / "docs/settings.md"
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


def write(page: str) -> str:
    """`page` with the table between its marks."""
    return MARKED.sub(lambda match: match[1] + table() + match[2], page)


if __name__ == "__main__":
    PAGE.write_text(write(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
