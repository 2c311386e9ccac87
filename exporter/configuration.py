"""Reads settings, taxonomies and the files that settings name, and collects every mistake in them."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from exporter.beacons.sites import read_sites
from exporter.errors import ConfigError
from exporter.secret_file import OPEN, is_open, password
from exporter.server.certificates import watched_certificate
from exporter.server.resources import bind
from exporter.settings import Settings, read
from exporter.streampixel.live_stats import read_key
from exporter.taxonomy.loader import load as load_taxonomy
from exporter.taxonomy.model import Taxonomy
from exporter.tokens import read_tokens


@dataclass(frozen=True)
class Configuration:
    """`mistakes` prevent a start, `warnings` do not. Defaults stand in for wrong settings and taxonomies."""

    settings: Settings
    taxonomy: Taxonomy
    mistakes: list[str]
    warnings: list[str]


def read_configuration(config: Path | None, **flags: Any) -> Configuration:
    """Read everything that `serve` reads at its start, also after a mistake."""
    settings, mistakes = read(config, **flags)
    warnings: list[str] = []
    try:
        taxonomy = load_taxonomy(settings.taxonomy)
    except ConfigError as error:
        mistakes += error.mistakes
        taxonomy = load_taxonomy()
    readers: dict[str, Callable[[Path], object]] = {
        "ingest_token_file": read_tokens,
        "ops_token_file": read_tokens,
        "streampixel_webhook_token_file": read_tokens,
        "live_stats_key_file": read_key,
        "ledger_password_file": password,
        "beacon_keys_file": partial(read_sites, settings, taxonomy),
    }
    for name, reader in readers.items():
        path = getattr(settings, name)
        if path is None:
            continue
        try:
            if path.exists() and not path.is_file():
                raise OSError(0, "write the path of a regular file")
            path.open().close()
            reader(path)
        except OSError as error:
            mistakes.append(f"{name} = '{path}': {error.strerror}")
        except ConfigError as error:
            mistakes += error.mistakes
        if name != "beacon_keys_file" and is_open(path):
            warnings.append(f"{path}: {OPEN}")
    for name in ("ingest", "ops"):
        cert, key = getattr(settings, f"{name}_tls_cert"), getattr(settings, f"{name}_tls_key")
        if cert is not None and key is not None:
            if is_open(key):
                warnings.append(f"{key}: {OPEN}")
            try:
                watched_certificate(name, cert, key)
            except ConfigError as error:
                mistakes += error.mistakes
    return Configuration(settings, taxonomy, mistakes, warnings)


def unusable_addresses(settings: Settings) -> list[str]:
    """A message for each listener that can't bind its address now, for example a port in use."""
    failures: list[str] = []
    # `settings.read` already reports two equal addresses.
    names = {settings.ops: "ops"} | {settings.ingest: "ingest"}
    with ExitStack() as opened:
        for address, name in names.items():
            try:
                for bound in bind(name, address):
                    opened.callback(bound.close)
            except ConfigError as error:
                failures += error.mistakes
    return failures
