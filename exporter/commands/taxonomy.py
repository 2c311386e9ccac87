"""`codes` and `beacon-key`."""

from typing import Annotated

import typer

from exporter.commands.options import Config, Folders
from exporter.errors import ConfigError
from exporter.settings import read


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
    from exporter.taxonomy.loader import load as load_taxonomy

    settings, mistakes = read(config, taxonomy=taxonomy)
    # A wrong port must not keep on-call from looking up a code.
    if mistakes and config is not None:
        raise ConfigError(*mistakes)
    for mistake in mistakes:
        typer.echo(f"warning: {mistake}", err=True)
    if not show(Console(), load_taxonomy(settings.taxonomy), query or []):
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
) -> None:
    """Create a public key for a site whose browsers send events.

    Prints the key, which is not stored, and the entry for the file of `beacon_keys_file`. To replace a
    key, add the new hash to the site's `keys`, change the pages, and remove the old hash when no page uses
    it any more. `check` reports a mistake in the entry.

    \b
    Example:
      session-end-exporter beacon-key --site shop --origin https://shop.example
    """
    from exporter.beacons.sites import hash_key, make_key

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
