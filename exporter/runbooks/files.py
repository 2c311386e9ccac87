"""The runbook files of codes and alerts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from exporter.names import UNKNOWN
from exporter.shipped import shipped
from exporter.taxonomy.model import Code, System, Taxonomy

SHIPPED: Final = shipped("rules/runbooks")
"""The folder of the shipped files."""


def of_code(system: System, code: Code, folders: Sequence[Path] = ()) -> Path | None:
    """The file of a code, if it has one.

    `folders` are the operator's taxonomy folders. Their `runbooks/<system>/<code>.md` override the
    shipped files, the last folder first. Codes with the same name share the file of the first code.
    """
    first = next((row.code for row in system.codes if row.name == code.name), code.code)
    for folder in (*(path / "runbooks" for path in reversed(folders)), SHIPPED):
        for name in (code.code, first):
            path = folder / system.system / f"{name}.md"
            if path.is_file():
                return path
    return SHIPPED / "unknown.md" if code.code == UNKNOWN else None


def of_alert(name: str) -> Path:
    """The file of an alert of the shipped rules."""
    return SHIPPED / "alerts" / f"{name}.md"


def warnings(taxonomy: Taxonomy, folders: Sequence[Path] = ()) -> Iterator[str]:
    """Warnings about codes of shipped systems without a file, and about files in `folders` without a code.

    A code that an overlay adds needs no file: its page shows the taxonomy's texts.
    """
    for system in taxonomy.systems.values():
        if not (SHIPPED / system.system).is_dir():
            continue
        for code in system.codes:
            if of_code(system, code, folders) is None and not code.changed_by:
                yield (
                    f"{system.system} {code.code} has no runbook; write "
                    f"runbooks/{system.system}/{code.code}.md in a folder of the setting taxonomy"
                )
    names = {
        f"{system.system}/{code.code}.md"
        for system in taxonomy.systems.values()
        for code in system.all_codes
    }
    for folder in folders:
        runbooks = folder / "runbooks"
        for path in sorted(runbooks.rglob("*.md")):
            if str(path.relative_to(runbooks)) not in names:
                yield f"{path}: no code has this runbook; the name is runbooks/<system>/<code>.md"
