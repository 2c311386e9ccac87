"""`export`, with a command for each set of files."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from exporter.export import SETS, export

_RULES = """\
Makes DIR if it is missing. If a file exists with other contents, nothing is written; --force replaces such \
files. Keeps other files, also those of an older version. Exits with 1 after an error."""
_EXAMPLES = """\
\b
Examples:
  session-end-exporter export rules /etc/prometheus/rules
  session-end-exporter export alertmanager ."""

exports = typer.Typer(
    name="export",
    help=f"Write rules, dashboards and other files of this version.\n\n{_RULES}\n\n{_EXAMPLES}",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _command(name: str) -> Callable[[Path, bool], None]:
    def write(
        folder: Annotated[Path, typer.Argument(metavar="DIR", hidden=True)],
        force: Annotated[
            bool, typer.Option("--force", help="replace files that have other contents")
        ] = False,
    ) -> None:
        written, unchanged = export(name, folder, overwrite=force)
        typer.echo(f"Files written to {folder}: {written}; unchanged: {unchanged}")

    return write


for _name, _files in SETS.items():
    _help = f"{_files.about}\n\n{_files.use}\n\n{_RULES}"
    exports.command(_name, help=_help)(_command(_name))
