"""Loads the shipped taxonomies and those of the operator's folders, with their overlays."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError
from exporter.taxonomy.file import OVERLAY
from exporter.taxonomy.model import Taxonomy
from exporter.taxonomy.spellings import normalize
from exporter.taxonomy.system import read_system
from exporter.yaml_file import Line, YamlMapping, read

_SHIPPED: Final = Path(__file__).parent
_SUFFIXES: Final = (".yaml", ".yml")


def load(folders: Sequence[Path] = ()) -> Taxonomy:
    """The shipped systems, then the systems of `folders`, changed by the overlays of `folders`.

    Overlays begin with `extends: SYSTEM`. The files of a folder are read in the order of their names.
    Raises `ConfigError` with every mistake of every file, each as `path:line: message`.
    """
    mistakes: list[str] = []
    documents: dict[str, YamlMapping] = {}
    overlays: list[YamlMapping] = []
    for path in _files([_SHIPPED, *folders], mistakes):
        document = read(path, mistakes)
        if document is None:
            continue
        name = str(document.values.get("system", path))
        if "extends" in document.values:
            overlays.append(document)
        elif name in documents:
            document.wrong(
                document.line_of("system"),
                f"is loaded already, from {documents[name].line.path}; to change it, write extends: {name} "
                "in place of this line, and only what differs",
                "system",
            )
        else:
            documents[name] = document
    changes: dict[str, list[YamlMapping]] = {name: [] for name in documents}
    for overlay in overlays:
        extended = str(overlay.values["extends"])
        if overlay.validate(OVERLAY) and extended not in documents:
            line = overlay.line_of("extends")
            overlay.wrong(line, f"must be one of {', '.join(documents)}", "extends")
        changes.setdefault(extended, []).append(overlay)
    systems = {
        name: system
        for name, document in documents.items()
        if (system := read_system(document, merge(document, changes[name]))) is not None
    }
    if mistakes:
        raise ConfigError(*mistakes)
    return Taxonomy(systems)


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


def merge(document: YamlMapping, overlays: Sequence[YamlMapping]) -> Iterator[YamlMapping]:
    """The rows of a system's codes, with the changes of its overlays.

    `document` takes the overlays' objective. Each key keeps its file and line, for messages.
    """
    rows: dict[str, YamlMapping] = {}
    for source in (document, *overlays):
        if source is not document and "objective" in source.values:
            _take(document, "objective", source, document)
        first: dict[str, Line] = {}
        for row in source.mappings("codes"):
            code, line = row.values.get("code"), row.line_of("code")
            if code is None:
                row.wrong(line, "is required", "code")
                continue
            row.what = f"code {code!r}"
            if not isinstance(code, str):
                row.wrong(line, "must be text in quotes", "code")
            name = normalize(str(code))
            if (other := first.setdefault(name, line)) != line:
                row.wrong(line, f"is written twice, first on {other}")
            elif (target := rows.setdefault(name, row)) is not row:
                for key in row.values:
                    if key != "code":
                        _take(target, key, row, document)
    yield from rows.values()


def _take(target: YamlMapping, key: str, source: YamlMapping, document: YamlMapping) -> None:
    """Copy a key, and report two overlays with different values of it."""
    line, other = source.line_of(key), target.line_of(key)
    replaces = key in target.values and other.path != document.line.path and key != "aliases"
    if replaces and target.values[key] != source.values[key]:
        rule = f"has another value on {other}; remove one of the two"
        source.wrong(line, rule, key)
    target.take(key, source)
