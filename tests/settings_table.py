"""The table of settings in docs/settings.md, generated from `exporter.settings`.

`python -m tests.settings_table` writes it.
"""

import re
from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo

from exporter.settings import Settings
from exporter.settings.values import DURATION, SIZE

PAGE: Final = Path(__file__).parent.parent / "docs/settings.md"
MARKED: Final = re.compile(r"(<!-- settings: [^>]* -->\n).*?(<!-- settings end -->)", re.DOTALL)


def table() -> str:
    """Rows of field, default as written in a settings file, and description."""
    rows = [
        f"| `{name}` | {default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(("| setting | default | description |", "|---|---|---|", *rows, ""))


def default(field: FieldInfo) -> str:
    """The default; seconds and bytes are in the largest unit in which the value is a whole number."""
    if field.default in (None, (), ""):
        return "none"
    if DURATION in field.metadata:
        units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    elif SIZE in field.metadata:
        units = {"GiB": 1024**3, "MiB": 1024**2, "KiB": 1024, "": 1}
    else:
        value = field.default
        if isinstance(value, tuple):
            value = ", ".join(value)
        return f"`{str(value).lower() if isinstance(value, bool) else value}`"
    name, size = next(item for item in units.items() if field.default % item[1] == 0)
    return f"`{field.default // size:g}{name}`"


def write(page: str) -> str:
    """`page` with the table between its marks."""
    return MARKED.sub(lambda match: match[1] + table() + match[2], page)


if __name__ == "__main__":
    PAGE.write_text(write(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
