"""The collector's script: caching, gzip and the landing page."""

import gzip
from pathlib import Path

import pytest

from exporter import names
from exporter.beacons.script import FILE, ScriptRoute
from exporter.ingest.app import IngestApp
from exporter.settings import Settings
from exporter.taxonomy.model import Taxonomy
from tests.ingest.listener import Answer, Listener
from tests.ops.ops_app import Ops, Page

SOURCE = FILE.read_bytes()


@pytest.fixture
def listener(taxonomy: Taxonomy) -> Listener:
    listener = Listener(taxonomy)
    routes = {names.COLLECTOR_PATH: ScriptRoute()}
    listener.app = IngestApp(listener.pipeline, listener.refused, routes)
    return listener


def get(listener: Listener, method: str = "GET", **headers: str) -> Answer:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return listener.post(b"", named, path=names.COLLECTOR_PATH, method=method)


def test_any_page_may_load_the_script(listener: Listener) -> None:
    answer = get(listener, origin="https://anywhere.example")
    assert (answer.status, answer.body) == (200, SOURCE)
    assert answer.headers == {
        b"content-type": b"text/javascript; charset=utf-8",
        b"content-length": b"%d" % len(SOURCE),
        b"cache-control": b"public, max-age=86400",
        b"vary": b"accept-encoding",
        b"access-control-allow-origin": b"*",
        b"cross-origin-resource-policy": b"cross-origin",
        b"x-content-type-options": b"nosniff",
    }


@pytest.mark.parametrize(
    ("accepted", "packed"), [("br, gzip;q=0.5", True), ("GZIP", True), ("br", False), ("", False)]
)
def test_script_is_packed_on_request(listener: Listener, accepted: str, packed: bool) -> None:
    answer = get(listener, accept_encoding=accepted)
    assert answer.headers.get(b"content-encoding") == (b"gzip" if packed else None)
    assert (gzip.decompress(answer.body) if packed else answer.body) == SOURCE


def test_other_methods_are_405(listener: Listener) -> None:
    answer = get(listener, "POST")
    assert (answer.status, answer.headers[b"allow"]) == (405, b"GET, HEAD")


def test_landing_page_has_the_script_element() -> None:
    said = Page(Ops(settings=Settings(beacon_keys_file=Path("k"))).get("/").text).text
    element = (
        f'<script src="http://127.0.0.1:10400{names.COLLECTOR_PATH}" data-key="YOUR-KEY" '
        'data-frame="#streamPixelPlayer" async></script>'
    )
    assert element in said
    assert "no key is valid yet" not in said
    assert "no key is valid yet" in Page(Ops().get("/").text).text
