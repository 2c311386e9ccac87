"""The packages and modules directly in exporter/ import each other in one direction."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import exporter

ROOT = Path(exporter.__file__).parent


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a module imports, also within functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("exporter.")}


def test_rooms_import_each_other_without_a_cycle() -> None:
    """Fails with the cycle that it found."""
    imports: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).with_suffix("").parts[0]
        imports.setdefault(room, set()).update(imported_rooms(path) - {room})
    assert imports["ingest"] >= {"ledger", "taxonomy"}
    TopologicalSorter(imports).prepare()
