"""The runbook files: where they are, and which file is about a code or an alert."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from exporter import rule_files
from exporter.names import UNKNOWN
from exporter.taxonomy.model import Code, System, Taxonomy


def shipped() -> Path:
    """The folder of the shipped files, beside the rules."""
    return rule_files.folder() / "runbooks"


def of_code(system: System, code: Code, folders: Sequence[Path] = ()) -> Path | None:
    """The file about a code; None for a code without a file.

    `folders` are the operator's taxonomy folders: `runbooks/<system>/<code>.md` in them wins over the
    shipped file, the last folder first. Codes with the same name share the file of the first of them.
    """
    family = next((row.code for row in system.codes if row.name == code.name), code.code)
    for folder in (*(each / "runbooks" for each in reversed(folders)), shipped()):
        for name in (code.code, family):
            path = folder / system.system / f"{name}.md"
            if path.is_file():
                return path
    return shipped() / "unknown.md" if code.code == UNKNOWN else None


def of_alert(name: str) -> Path:
    """The file about an alert of the shipped rules."""
    return shipped() / "alerts" / f"{name}.md"


def warnings(taxonomy: Taxonomy, folders: Sequence[Path] = ()) -> Iterator[str]:
    """Codes of shipped systems without a file, and files in `folders` that no code has.

    A code that an overlay adds needs no file: its page shows the taxonomy's texts.
    """
    for system in taxonomy.systems.values():
        if not (shipped() / system.system).is_dir():
            continue
        for code in system.codes:
            if of_code(system, code, folders) is None and not code.changed_by:
                yield (
                    f"{system.system} {code.code} has no runbook; write "
                    f"runbooks/{system.system}/{code.code}.md in a folder of the setting taxonomy"
                )
    codes = {
        (system.system, code.code)
        for system in taxonomy.systems.values()
        for code in (*system.codes, system.unknown)
    }
    for folder in folders:
        for path in sorted((folder / "runbooks").rglob("*.md")):
            if (
                path.parent.parent != folder / "runbooks"
                or (path.parent.name, path.stem) not in codes
            ):
                yield f"{path}: no code has this runbook; the name is runbooks/<system>/<code>.md"
