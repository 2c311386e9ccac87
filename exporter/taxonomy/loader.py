"""The taxonomies an exporter runs with: the shipped ones and those of the operator's folders."""

from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError
from exporter.taxonomy.model import System, Taxonomy
from exporter.taxonomy.system import read_system

_SUFFIXES: Final = (".yaml", ".yml")


def load(folders: Sequence[Path] = ()) -> Taxonomy:
    """Every system of the package and of `folders`, the shipped ones first, files by name.

    Raises `ConfigError` with every mistake of every file, each as `path:line: message`.
    """
    mistakes: list[str] = []
    systems: dict[str, System] = {}
    origins: dict[str, Path] = {}
    with as_file(files("exporter.taxonomy")) as shipped:
        for path in _files([shipped, *folders], mistakes):
            system = read_system(path, mistakes)
            if system is None:
                continue
            if system.system in systems:
                mistakes.append(
                    f"{path}:1: system {system.system!r} is loaded already, "
                    f"from {origins[system.system]}; a system is one file"
                )
                continue
            systems[system.system] = system
            origins[system.system] = path
    if mistakes:
        raise ConfigError(*mistakes)
    return Taxonomy(systems)


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
