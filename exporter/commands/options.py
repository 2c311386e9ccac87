"""Flags that several commands have."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from exporter.errors import ConfigError
from exporter.settings import read

Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="settings, TOML; or set SESSION_EXPORTER_CONFIG"),
]
Ingest = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="address where senders post events")
]
Ops = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="address of metrics, health and pages")
]
DataDir = Annotated[Path | None, typer.Option(metavar="DIR", help="directory of the ledger")]
Ledger = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Redis or Valkey for the ledger, which replicas share"),
]
Folders = Annotated[
    list[Path] | None,
    typer.Option(
        "--taxonomy",
        metavar="DIR",
        help="YAML files of more systems and changes to systems; may be repeated",
    ),
]
RulesDir = Annotated[
    Path | None,
    typer.Option("--rules", metavar="DIR", help="rule files to use instead of the shipped ones"),
]
EventFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE", help="JSON, NDJSON or CSV, also compressed; - is standard input"
    ),
]
Format = Annotated[
    Literal["json", "ndjson", "csv"] | None,
    typer.Option("--format", help="format of every FILE; default: detected"),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="FIELD=COLUMN",
        help="column or key that is a field, such as code=error_code; code= if there is none",
    ),
]
TokenFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="file with a bearer token of the exporter")
]


def taxonomy_folders(config: Path | None, taxonomy: list[Path] | None) -> Sequence[Path]:
    """The configured taxonomies, for commands that need no other setting.

    Without `config`, mistakes in variables are warnings: a wrong port must not keep on-call from looking
    up a code.
    """
    settings, mistakes = read(config, taxonomy=taxonomy)
    if mistakes and config is not None:
        raise ConfigError(*mistakes)
    for mistake in mistakes:
        typer.echo(f"warning: {mistake}", err=True)
    return settings.taxonomy
