"""The rendered runbook of a code or an alert. Files are read at each view: an edit is visible at once."""

from collections.abc import Sequence
from pathlib import Path

from exporter.lookup.page import OWNERS
from exporter.runbooks import files
from exporter.runbooks.render import QueryLinks, Rendered, Values, render
from exporter.taxonomy.model import Code, System


def of_code(
    system: System, code: Code, folders: Sequence[Path], links: QueryLinks
) -> tuple[Rendered, Rendered]:
    """The code's own runbook, and the diagnosis that is common to all codes."""
    own = files.of_code(system, code, folders) or files.shipped() / "default.md"
    shared = files.shipped() / "diagnosis.md"
    return (
        render(_read(own), values(code), links),
        render(_read(shared), values(code), links, "shared-query"),
    )


def of_alert(name: str, links: QueryLinks) -> Rendered:
    return render(_read(files.of_alert(name)), (), links)


def values(code: Code) -> Values:
    """The placeholders that a file may contain, without their braces."""
    return (
        ("system", code.system),
        ("code", code.code),
        ("description", code.description),
        ("causes", code.causes),
        ("fix", code.fix),
        ("owner", OWNERS[code.owner]),
        ("phase", code.phase),
        ("outcome", code.outcome.value),
    )


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
