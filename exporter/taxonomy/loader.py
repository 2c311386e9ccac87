"""The taxonomies an exporter runs with: the shipped ones and those of the operator's folders."""

from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError
from exporter.taxonomy.document import Mapping, read
from exporter.taxonomy.model import Taxonomy
from exporter.taxonomy.system import read_system

_SUFFIXES: Final = (".yaml", ".yml")


def load(folders: Sequence[Path] = ()) -> Taxonomy:
    """Every system of the package and of `folders`, the shipped ones first, files by name, with the
    changes that the folders' overlays (`extends: SYSTEM`) make to them.

    Raises `ConfigError` with every mistake of every file, each as `path:line: message`.
    """
    mistakes: list[str] = []
    documents: dict[str, Mapping] = {}
    overlays: list[Mapping] = []
    with as_file(files("exporter.taxonomy")) as shipped:
        for path in _files([shipped, *folders], mistakes):
            document = read(path, "the system", mistakes)
            if document is None:
                continue
            if "extends" in document:
                overlays.append(document)
                continue
            given = document.scalar("system")
            name = given.written if given else str(path)
            if name in documents:
                document.wrong(
                    document.line_of("system"),
                    f"system {name!r} is loaded already, from {documents[name].line.path}; to change "
                    f'it, write "extends: {name}" in place of "system: {name}", and only what differs',
                )
                continue
            documents[name] = document
    changes = _by_system(overlays, tuple(documents))
    systems = {
        name: system
        for name, document in documents.items()
        if (system := read_system(document, changes.get(name, ()))) is not None
    }
    if mistakes:
        raise ConfigError(*mistakes)
    return Taxonomy(systems)


def _by_system(overlays: Sequence[Mapping], systems: Sequence[str]) -> dict[str, list[Mapping]]:
    found: dict[str, list[Mapping]] = {}
    for overlay in overlays:
        overlay.what = "the overlay"
        overlay.expect(("extends",), optional=("objective", "codes"))
        if system := overlay.one_of("extends", systems):
            found.setdefault(system, []).append(overlay)
    return found


def _files(folders: Sequence[Path], mistakes: list[str]) -> Iterator[Path]:
    for folder in folders:
        try:
            names = sorted(folder.iterdir())
        except OSError as error:
            mistakes.append(f"{folder}: the folder can't be read: {error.strerror}")
            continue
        # Hidden names are editors' copies and Kubernetes' "..data", never a taxonomy.
        found = [p for p in names if p.suffix in _SUFFIXES and not p.name.startswith(".")]
        if not found:
            mistakes.append(f"{folder}: the folder holds no .yaml or .yml file")
        yield from found
