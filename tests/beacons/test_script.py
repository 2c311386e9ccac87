"""The collector's script: served to any page, cached, packed, and of known integrity."""

import asyncio
import base64
import gzip
import hashlib
from pathlib import Path

import pytest

from exporter import names
from exporter.beacons.script import Script, ScriptRoute, load
from exporter.ingest.routes import Request
from exporter.ops import landing_page
from exporter.settings import Settings
from exporter.taxonomy import Taxonomy
from tests.ingest.listener import Answer, Listener
from tests.ops.ops_app import Ops, Page

SOURCE = b"/* collects \xc3\xa9nds of sessions */\n" * 40


@pytest.fixture
def script(tmp_path: Path) -> Script:
    path = tmp_path / "session-end-collector.js"
    path.write_bytes(SOURCE)
    return load(path)


def get(script: Script, **headers: str) -> Answer:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}

    async def receive() -> dict[str, object]:
        raise AssertionError("a GET has no body to read")

    status, found, body = asyncio.run(
        ScriptRoute(script).take(Request("GET", "", named, "192.0.2.7", receive))
    )
    return Answer(status, dict(found), body)


def test_any_page_may_load_it(script: Script) -> None:
    answer = get(script, origin="https://anywhere.example")
    assert (answer.status, answer.body) == (200, SOURCE)
    assert answer.headers == {
        b"content-type": b"text/javascript; charset=utf-8",
        b"content-length": b"%d" % len(SOURCE),
        b"etag": f'"{script.version}"'.encode(),
        b"cache-control": b"public, max-age=86400",
        b"vary": b"accept-encoding",
        b"access-control-allow-origin": b"*",
        b"cross-origin-resource-policy": b"cross-origin",
        b"x-content-type-options": b"nosniff",
    }


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "*", "GZIP"])
def test_it_is_packed_when_asked_for(script: Script, accepted: str) -> None:
    answer = get(script, accept_encoding=accepted)
    assert answer.headers[b"content-encoding"] == b"gzip"
    assert gzip.decompress(answer.body) == SOURCE
    assert answer.headers[b"etag"] != get(script).headers[b"etag"]


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "identity"])
def test_it_is_plain_when_not(script: Script, accepted: str) -> None:
    answer = get(script, accept_encoding=accepted)
    assert b"content-encoding" not in answer.headers
    assert answer.body == SOURCE


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "*"])
def test_who_has_it_gets_304(script: Script, form: str) -> None:
    tag = get(script).headers[b"etag"].decode()
    answer = get(script, if_none_match=form.format(tag))
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers[b"etag"] == tag.encode()
    assert get(script, if_none_match='"another"').status == 200


def test_the_integrity_is_the_hash_of_what_is_served(script: Script) -> None:
    digest = base64.b64encode(hashlib.sha384(get(script).body).digest()).decode()
    assert script.integrity == f"sha384-{digest}"


def test_another_script_has_another_address_and_hash(script: Script, tmp_path: Path) -> None:
    (tmp_path / "b.js").write_bytes(SOURCE + b"\n")
    other = load(tmp_path / "b.js")
    settings = Settings()
    assert landing_page.collector(settings, script) != landing_page.collector(settings, other)
    assert script.version != other.version


def test_the_landing_page_has_the_element_to_copy(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing_page, "_script", lambda: script)
    said = Page(Ops(settings=Settings(beacon_keys_file=Path("k"))).get("/").text).text
    element = (
        f'<script src="http://127.0.0.1:10400{names.COLLECTOR_PATH}?v={script.version}" '
        f'integrity="{script.integrity}" crossorigin="anonymous" data-key="YOUR-KEY"></script>'
    )
    assert element in said
    assert "no key is valid yet" not in said
    assert "no key is valid yet" in Page(Ops().get("/").text).text


def test_a_build_without_the_script_does_not_mention_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing_page, "_script", lambda: None)
    assert "browsers" not in Page(Ops().get("/").text).text


def test_other_methods_are_405(taxonomy: Taxonomy, script: Script) -> None:
    from exporter.ingest.app import IngestApp

    listener = Listener(taxonomy)
    listener.app = IngestApp(
        listener.pipeline, listener.own, routes={names.COLLECTOR_PATH: ScriptRoute(script)}
    )
    answer = listener.post(b"", {}, path=names.COLLECTOR_PATH)
    assert (answer.status, answer.headers[b"allow"]) == (405, b"GET, HEAD")
    assert listener.post(b"", {}, path=names.COLLECTOR_PATH, method="GET").status == 200
    assert listener.value("requests_total", status="200") == 1
