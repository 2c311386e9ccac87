"""The landing page's part for web pages: the element that loads the collector."""

from functools import cache
from html import escape

from exporter import names
from exporter.beacons import script
from exporter.ops.described import ingest_server
from exporter.ops.markup import Html, element, joined
from exporter.settings import Settings


@cache
def _script() -> script.Script | None:
    return script.load() if script.FILE.exists() else None


def tag(settings: Settings, loaded: script.Script) -> str:
    """The script element, with its integrity hash: a browser runs this version and no other.

    The version is in the address too, so that no cache hands an older script to a newer element.
    """
    url = f"{ingest_server(settings)['url']}{names.COLLECTOR_PATH}?v={loaded.version}"
    return (
        f'<script src="{escape(url)}" integrity="{loaded.integrity}" crossorigin="anonymous" '
        'data-key="YOUR-KEY"></script>'
    )


def embed(settings: Settings) -> Html:
    """A heading, the element to copy and what to know of it; nothing in a build without the script."""
    loaded = _script()
    if loaded is None:
        return Html()
    off = "" if settings.beacon_keys_file else " Set beacon_keys_file first: no key is valid yet."
    return joined(
        element("h2", "Collect from browsers"),
        element(
            "p",
            "For the pages that show the stream, at the address under which browsers reach the ingest "
            "listener. The hash is this version's: after an upgrade, copy the element anew, or serve the "
            f"file from your own site.{off}",
        ),
        element("pre", element("code", tag(settings, loaded)), tabindex=0),
        element("p", "Integrity: ", element("code", loaded.integrity)),
    )
