"""`export`, with a command for each set of files."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from exporter.export import SETS, export

_RULES = """\
Makes DIR if it is missing, and leaves other files in it. If a file exists with other contents, nothing is \
written; --force replaces such files. Exits with 1 when nothing could be written."""
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
        done = export(name, folder, overwrite=force)
        typer.echo(f"{done.written} files written to {folder}, {done.unchanged} unchanged")

    return write


for _name, _files in SETS.items():
    _help = f"{_files.about}\n\n{_files.use}\n\n{_RULES}"
    exports.command(_name, help=_help)(_command(_name))
