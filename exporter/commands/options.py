"""Flags that several commands have."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from exporter.settings import Settings


def _setting(name: str, metavar: str) -> Any:
    """A flag for a setting, with its description and default."""
    field = Settings.model_fields[name]
    default = "" if field.default is None else f"; default: {field.default}"
    return typer.Option(metavar=metavar, help=f"{field.description}{default}")


Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="settings, TOML; or set SESSION_EXPORTER_CONFIG"),
]
Ingest = Annotated[str | None, _setting("ingest", "HOST:PORT")]
Ops = Annotated[str | None, _setting("ops", "HOST:PORT")]
# Not `Path`, which makes the working directory of an empty text.
DataDir = Annotated[str | None, _setting("data_dir", "DIR")]
Ledger = Annotated[str | None, _setting("ledger", "URL")]
Folders = Annotated[
    list[Path] | None,
    typer.Option(
        "--taxonomy",
        metavar="DIR",
        help="directory with YAML files of more systems and of overlays; may be repeated",
    ),
]
RulesDir = Annotated[
    Path | None,
    typer.Option("--rules", metavar="DIR", help="rule files to use instead of the shipped ones"),
]
# Hidden, and described in the text of the command: the list of arguments would show "<list[Path]>".
EventFiles = Annotated[list[Path], typer.Argument(metavar="FILE", hidden=True)]
Format = Annotated[
    Literal["json", "ndjson", "csv"] | None,
    typer.Option("--format", help="format of every FILE; default: detected"),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="FIELD=COLUMN",
        help="read a column or key as a field, such as code=error_code; code= if all ends are normal",
    ),
]
TokenFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="file with a bearer token of the exporter")
]
