"""Loads the shipped taxonomies and those of the operator's folders."""

from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError
from exporter.taxonomy.model import Taxonomy
from exporter.taxonomy.system import read_system
from exporter.yaml_mapping import Mapping, read

_SUFFIXES: Final = (".yaml", ".yml")


def load(folders: Sequence[Path] = ()) -> Taxonomy:
    """Every system of the package, then of `folders`, files by name, changed by the folders' overlays
    (`extends: SYSTEM`).

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
            scalar = document.scalar("system")
            name = scalar.written if scalar else str(path)
            if name in documents:
                document.wrong(
                    "system",
                    f"system {name!r} is loaded already, from {documents[name].line.path}; to change "
                    f'it, write "extends: {name}" in place of "system: {name}", and only what differs',
                )
                continue
            documents[name] = document
    changes = _by_system(overlays, tuple(documents))
    systems = {
        name: system
        for name, document in documents.items()
        if (system := read_system(document, changes[name])) is not None
    }
    if mistakes:
        raise ConfigError(*mistakes)
    return Taxonomy(systems)


def _by_system(overlays: Sequence[Mapping], systems: Sequence[str]) -> dict[str, list[Mapping]]:
    by_system: dict[str, list[Mapping]] = {system: [] for system in systems}
    for overlay in overlays:
        overlay.what = "the overlay"
        overlay.expect(("extends",), optional=("objective", "codes"))
        if system := overlay.one_of("extends", systems):
            by_system[system].append(overlay)
    return by_system


def _files(folders: Sequence[Path], mistakes: list[str]) -> Iterator[Path]:
    for folder in folders:
        try:
            paths = sorted(folder.iterdir())
        except OSError as error:
            mistakes.append(f"{folder}: the folder can't be read: {error.strerror}")
            continue
        # Hidden files are copies of editors, or Kubernetes' "..data".
        paths = [p for p in paths if p.suffix in _SUFFIXES and not p.name.startswith(".")]
        if not paths:
            mistakes.append(f"{folder}: the folder holds no .yaml or .yml file")
        yield from paths
