"""The JSON Schemas: they refuse files that `check` refuses, and no file that it accepts."""

import copy
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema_rs import Draft202012Validator, meta

from exporter.beacons.sites import read_sites
from exporter.errors import ConfigError
from exporter.settings import read
from exporter.settings.values import split
from exporter.taxonomy import loader
from scripts import schemas
from tests.beacons.test_sites import COMBINATIONS, SETTINGS, SOUND
from tests.e2e.exporter_process import ROOT
from tests.taxonomy.mistakes import KINDS, VALID, invalid
from tests.taxonomy.test_loader import system_in
from tests.test_settings import MISTAKES

SCHEMAS = {name.partition(".")[0]: json.loads(text) for name, text in schemas.texts().items()}
VALIDATORS = {kind: Draft202012Validator(document) for kind, document in SCHEMAS.items()}
ABOUT_OTHER_VALUES = re.compile(
    "this spelling of code | bytes$|must be success for| is written twice|: must be one of |a new code needs "
    "| combinations of values|is not in the setting `labels`"
)
"""Messages of the loaders about rules that compare values, which a schema can't express."""
REPLACEMENTS: tuple[Any, ...] = (
    *(None, True, 0, -1, 0.5, 1.5, [], ["x"], [7], {}, {"x": "y"}, {"X": "y"}),
    *("", " ", "x", "x y", "Unknown", "07", "a\nb", "a\tb", "\u202e", "a/b"),
    *("é" * 70, "x" * 200, "x" * 1001),
)
HEADER = re.compile(r"^(?:# yaml-language-server: \$schema=|#:schema )(\S+)$", re.MULTILINE)
"""The line that names the schema, for the language servers of YAML and TOML."""


def accepted(kind: str, document: object) -> bool:
    return VALIDATORS[kind].is_valid(document)


def changed(document: Any) -> Iterator[Any]:
    """Copies of a document, each with a key removed, added, or with another value."""
    if isinstance(document, dict):
        yield {**document, "unheard": "of"}
        for key, value in document.items():
            rest = {other: document[other] for other in document if other != key}
            yield rest
            yield {**rest, f"{key}s": value}
            for other in (*REPLACEMENTS, *changed(value)):
                yield {**document, key: other}
    elif isinstance(document, list):
        *others, last = document
        yield [*document, copy.deepcopy(last)]
        for other in (*REPLACEMENTS, *changed(last)):
            yield [*others, other]


def mistakes(load: Callable[[Path], object], path: Path) -> tuple[str, ...]:
    try:
        load(path)
    except ConfigError as error:
        return error.mistakes
    return ()


def compare(
    kind: str, documents: Iterable[Any], load: Callable[[Path], object], path: Path
) -> tuple[int, int]:
    """Compare schema and loader. Returns how many documents both accept and refuse."""
    counts = [0, 0]
    for document in documents:
        text = yaml.dump(document, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
        path.write_text(text)
        reported = mistakes(load, path)
        errors = list(VALIDATORS[kind].iter_errors(document))
        if not errors:
            assert all(map(ABOUT_OTHER_VALUES.search, reported)), (document, reported)
            counts[0] += not reported
        else:
            assert reported, (document, errors)
            counts[1] += 1
    return counts[0], counts[1]


def test_files_are_those_of_the_models() -> None:
    """Fails after a change of a model or key: make schemas."""
    written = {path.name: path.read_text() for path in schemas.FOLDER.glob("*.json")}
    assert written == schemas.texts(), "run: make schemas"


@pytest.mark.parametrize("kind", SCHEMAS)
def test_schema_is_valid_and_describes_every_key(kind: str) -> None:
    assert SCHEMAS[kind]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    meta.validate(SCHEMAS[kind])
    for key, value in SCHEMAS[kind]["properties"].items():
        assert value["description"], key


def invalid_systems(folder: Path) -> Iterator[Any]:
    """The files with a mistake that are YAML: editors apply the schema to no others."""
    for kind in KINDS:
        path, _ = invalid(kind, folder)
        with suppress(yaml.YAMLError, RecursionError):
            yield yaml.safe_load(path.read_bytes())


def test_schema_and_loader_agree_about_systems(tmp_path: Path) -> None:
    document = yaml.safe_load(VALID)
    document["objective"] = 0.99
    document["codes"][1] |= {"planned": True, "spike_floor": 5}
    documents = (document, *changed(document), *invalid_systems(tmp_path))
    assert min(compare("system", documents, system_in, tmp_path / "a.yaml")) > 50


def test_schema_and_loader_agree_about_overlays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "acme.yaml").write_text(VALID)
    # Instead of the shipped systems, which take most of the time.
    monkeypatch.setattr(loader, "_SHIPPED", shipped)
    code = {
        **{"code": "07", "severity": "page", "category": "network", "fix": "Replace it."},
        **{"aliases": ["gone"], "spike_floor": 3},
    }
    document = {"extends": "acme", "objective": 0.9, "codes": [code]}
    documents = (document, *changed(document))
    both = compare("overlay", documents, lambda _: loader.load([tmp_path]), tmp_path / "b.yaml")
    assert min(both) > 25


def test_schema_and_loader_agree_about_sites(tmp_path: Path) -> None:
    document = yaml.safe_load(SOUND)
    document["sites"][0] |= {"rate": 5, "burst": 9, "labels": {"region": ["eu", "us"]}}
    texts = (
        SOUND.replace("https://shop.example", "https://shop.example/"),
        SOUND.replace("https://shop.example", "https://shop.example:443"),
        SOUND.replace("sha256:", "sha1:"),
        SOUND + COMBINATIONS,
    )
    documents = (document, *changed(document), *map(yaml.safe_load, texts))
    read_file = partial(read_sites, SETTINGS, loader.load())
    assert min(compare("sites", documents, read_file, tmp_path / "sites.yaml")) > 15


SETTINGS_NOT_IN_SCHEMA = {
    "'800000d': must be": "a limit of a text with a unit",
    "'10.0.0.1/8'": "bits of an address",
    "is not loopback and needs a token": "the token can be set by a variable",
    "add 'region' to labels": "labels can be set by a variable",
    "is for code and phase": "names of attributes differ in case and punctuation",
    "ingest has the same port": "the other address can be set by a variable",
    "set ingest_tls_cert too": "the certificate can be set by a variable",
}
"""Parts of the messages of mistakes in settings that a schema can't express, and why."""
PROPERTIES = SCHEMAS["settings"]["properties"]


def in_toml(name: str, value: object) -> object:
    """The value of a setting as in a TOML file; only variables contain lists as text."""
    return split(value) if PROPERTIES.get(name, {}).get("type") == "array" else value


@pytest.mark.parametrize(("flags", "text"), MISTAKES, ids=lambda value: str(value)[:40])
def test_schema_refuses_wrong_settings_or_the_reason_is_listed(
    flags: dict[str, Any], text: str
) -> None:
    listed = any(part in text for part in SETTINGS_NOT_IN_SCHEMA)
    settings = {name: in_toml(name, value) for name, value in flags.items()}
    assert accepted("settings", settings) == listed


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("data_dir", ("data", "/var/lib/a b")),
        ("trusted_proxies", (["10.0.0.0/8", "::1", "fd00::/8", "10.0.0.0/255.0.0.0"],)),
        ("live_stats_interval", (30, "1m")),
        ("max_body", (1, "16KiB", "1 mib", "5B")),
    ],
)
def test_schema_accepts_settings_that_check_accepts(name: str, values: tuple[object, ...]) -> None:
    """The types whose schema is not the pattern of their validator."""
    for value in values:
        assert read(**{name: value})[1] == []
        assert accepted("settings", {name: value}), value


def test_schema_accepts_the_defaults() -> None:
    defaults = {name: value["default"] for name, value in PROPERTIES.items() if "default" in value}
    assert accepted("settings", defaults)


def test_shipped_systems_and_examples_name_their_schema_and_are_valid() -> None:
    used = set()
    for path in (*ROOT.glob("docs/*.md"), *ROOT.glob("exporter/taxonomy/*.yaml")):
        # In the documentation, the folder is that of `export schemas schemas`.
        texts = [("yaml", path.read_text())]
        if path.suffix == ".md":
            texts = re.findall(r"^```(yaml|toml)\n(.*?)^```", texts[0][1], re.M | re.S)
        for language, text in texts:
            if header := HEADER.search(text):
                document = yaml.safe_load(text) if language == "yaml" else tomllib.loads(text)
                kind = Path(header[1]).name.partition(".")[0]
                assert Path(header[1]).parent.name == "schemas"
                assert accepted(kind, document), (path, text)
                used.add(kind)
            else:
                assert not re.search("^(system|extends|sites):", text, re.MULTILINE), (path, text)
    assert used == set(SCHEMAS)
