"""The flags that several commands have, written once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="settings, TOML; SESSION_EXPORTER_CONFIG names it too"),
]
Ingest = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="where senders post events")]
Ops = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="where Prometheus and people look")
]
DataDir = Annotated[Path | None, typer.Option(metavar="DIR", help="where the ledger is kept")]
Ledger = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Redis or Valkey to keep it in, which replicas may share"),
]
Folders = Annotated[
    list[Path] | None,
    typer.Option(
        "--taxonomy", metavar="DIR", help="systems and changes to them, YAML files; may be repeated"
    ),
]
RulesDir = Annotated[
    Path | None, typer.Option("--rules", metavar="DIR", help="rule files instead of the shipped")
]
EventFiles = Annotated[
    list[Path],
    typer.Argument(metavar="FILE", help="JSON, NDJSON or CSV, also .gz; - is standard input"),
]
Format = Annotated[
    Literal["json", "ndjson", "csv"] | None,
    typer.Option("--format", help="of every FILE, instead of detecting it"),
]
TokenFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="file with a bearer token of the exporter")
]
