from typing import Annotated

import typer

from exporter.commands.options import Config, Folders, taxonomy_folders
from exporter.errors import ConfigError


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
    from exporter.beacons.sites import NAME, NAME_RULE, ORIGIN, ORIGIN_RULE, hash_key, make_key
    from exporter.taxonomy.loader import load as load_taxonomy

    systems = load_taxonomy(taxonomy_folders(config, taxonomy)).systems
    mistakes = [] if NAME.fullmatch(site) else [f"--site {site!r} {NAME_RULE}"]
    mistakes += [f"--origin {url!r} {ORIGIN_RULE}" for url in origin if not ORIGIN.fullmatch(url)]
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
