"""`beacon-key`."""

from typing import Annotated

import typer

from exporter.commands.options import Config, Folders, taxonomy_folders
from exporter.errors import ConfigError


def beacon_key(
    site: Annotated[str, typer.Option(metavar="NAME", help="whose browsers will send")],
    origin: Annotated[
        list[str],
        typer.Option(metavar="URL", help="scheme://host[:port] of its pages; may be repeated"),
    ],
    system: Annotated[
        str, typer.Option(metavar="NAME", help="the taxonomy of its events")
    ] = "streampixel",
    config: Config = None,
    taxonomy: Folders = None,
) -> None:
    """Make a public key with which a site's browsers send events.

    Prints the key, which is kept nowhere, and the entry for the file that `beacon_keys_file` names. To
    replace a key, add the new hash to the site's `keys`, change the pages, and remove the old one when
    nobody sends with it any more.
    """
    from exporter.beacons import keys
    from exporter.beacons.sites import name_fault, origin_fault
    from exporter.taxonomy.loader import load as load_taxonomy

    systems = load_taxonomy(taxonomy_folders(config, taxonomy)).systems
    mistakes = [f"--site {site!r} {fault}" for fault in (name_fault(site),) if fault]
    mistakes += [f"--origin {one!r} {fault}" for one in origin if (fault := origin_fault(one))]
    if system not in systems:
        mistakes.append(f"--system {system!r} is not loaded; there are {', '.join(systems)}")
    if mistakes:
        raise ConfigError(*mistakes)
    key = keys.make()
    origins = "\n".join(f"      - {one}" for one in origin)
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
      - {keys.digest(key)}"""
    )
