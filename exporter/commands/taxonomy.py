"""`codes` and `beacon-key`, which need the taxonomies but no other setting."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from exporter.commands.options import Config, Folders
from exporter.errors import ConfigError
from exporter.settings import read

if TYPE_CHECKING:
    from exporter.taxonomy.model import Taxonomy


def codes(
    query: Annotated[list[str] | None, typer.Argument(metavar="QUERY", hidden=True)] = None,
    config: Config = None,
    taxonomy: Folders = None,
) -> None:
    """Explain a code: its meaning, its owner and what to do.

    QUERY is a code, a system, or words to search. Without it, all codes are listed. Exits with 1 when no
    code matches.

    \b
    Examples:
      session-end-exporter codes 4001           explain a code
      session-end-exporter codes softdrive 08   explain a code of one system
      session-end-exporter codes softdrive      list the codes of a system
      session-end-exporter codes timeout        search
    """
    from rich.console import Console

    from exporter.lookup.show import show

    loaded = _taxonomy(config, taxonomy)
    if not show(Console(), loaded, query or []):
        raise typer.Exit(1)


def beacon_key(
    site: Annotated[str, typer.Option(metavar="NAME", help="site whose browsers will send")],
    origin: Annotated[
        list[str],
        typer.Option(
            metavar="URL", help="origin of its pages, scheme://host[:port]; may be repeated"
        ),
    ],
    system: Annotated[
        str, typer.Option(metavar="NAME", help="system of its events")
    ] = "streampixel",
    config: Config = None,
    taxonomy: Folders = None,
) -> None:
    """Create a public key for a site whose browsers send events.

    Prints the key, which is not stored, and the entry for the file of `beacon_keys_file`. To replace a
    key, add the new hash to the site's `keys`, change the pages, and remove the old hash when no page uses
    it any more.

    \b
    Example:
      session-end-exporter beacon-key --site shop --origin https://shop.example
    """
    from exporter.beacons.sites import NAME, ORIGIN, hash_key, make_key

    systems = _taxonomy(config, taxonomy).systems
    mistakes = [] if NAME.matches(site) else [f"--site {site!r} {NAME.rule}"]
    mistakes += [f"--origin {url!r} {ORIGIN.rule}" for url in origin if not ORIGIN.matches(url)]
    if system not in systems:
        mistakes.append(f"--system {system!r} is not loaded; loaded are {', '.join(systems)}")
    if mistakes:
        raise ConfigError(*mistakes)
    key = make_key()
    origins = "\n".join(f"      - {url}" for url in origin)
    typer.echo(
        f"""\
key (shown once, for the page): {key}
entry (for the file of beacon_keys_file):

sites:
  - site: {site}
    system: {system}
    origins:
{origins}
    keys:
      - {hash_key(key)}"""
    )


def _taxonomy(config: Path | None, folders: list[Path] | None) -> "Taxonomy":
    """The configured taxonomy. Without `config`, mistakes in variables are only warnings."""
    from exporter.taxonomy.loader import load

    settings, mistakes = read(config, taxonomy=folders)
    # A wrong port must not keep on-call from looking up a code.
    if mistakes and config is not None:
        raise ConfigError(*mistakes)
    for mistake in mistakes:
        typer.echo(f"warning: {mistake}", err=True)
    return load(settings.taxonomy)
