"""Privacy, size, types and robustness of the script."""

import gzip
import json
import re

from exporter.beacons.script import FILE
from exporter.ingest.event import Event
from tests.collector.site import Site
from tests.collector.visitor import Visitor, end, interruption

FIELDS = {"id", "code", "final", "session_id", "duration_seconds", "labels", "age_seconds"}
TYPES = FILE.with_suffix(".d.ts")


def test_script_has_at_most_4_kilobytes_packed() -> None:
    assert len(gzip.compress(FILE.read_bytes(), 9)) <= 4000


def test_beacons_do_not_identify_the_viewer(visitor: Visitor, site: Site) -> None:
    # The page is on the exporter's host, so a browser would send the cookies.
    page = visitor.open("/labelled?viewer=jane", origin=site.player)
    page.evaluate("sdk.play(); sdk.reachable = false; sdk.close(1006)")
    host = re.sub(r"(https?://[^/]+/).*", r"\1", page.evaluate("document.scripts[1].src"))
    visitor.context.add_cookies([{"name": "viewer", "value": "jane", "url": host}])
    visitor.advance(page, 7)
    page.evaluate("sdk.reachable = true")
    visitor.advance(page, 7)
    page.evaluate("SessionEndCollector.end(4006, { phase: 'stream', viewer: 'jane' }); sdk.play()")
    visitor.advance(page, 1)
    visitor.wait_until_sent(page)
    received = list(visitor.sent)
    headers = [request.all_headers() for request in received]
    visitor.close(page)
    # Playwright may miss a closed page's request, but the next page sends it again.
    visitor.wait_until_sent(visitor.open("/labelled", origin=site.player))
    visitor.sent[:] = [*received, visitor.sent[-1]]
    headers.append(visitor.sent[-1].all_headers())
    visitor.assert_counted(end(4006) | end(1001) | interruption(1006))
    sent = [event for request in visitor.sent for event in json.loads(request.post_data or "")]
    assert {field for event in sent for field in event} == FIELDS
    assert "jane" not in json.dumps(sent)
    assert all(event["labels"] == {"project": "configurator"} for event in sent)
    assert len(sent) == 3
    for names in headers:
        assert not {"cookie", "referer", "authorization"} & set(names)
        assert names["content-type"].startswith("text/plain")


def test_fields_are_those_of_an_event_and_the_age() -> None:
    assert FIELDS - {"age_seconds"} <= set(Event.__struct_fields__)


def test_age_is_measured_from_the_end(visitor: Visitor) -> None:
    page = visitor.open()
    visitor.context.set_offline(True)
    page.evaluate("SessionEndCollector.end(4001)")
    visitor.advance(page, 1)
    page.clock.fast_forward(3_600_000)
    visitor.context.set_offline(False)
    visitor.wait_until_sent(page)
    (sent,) = json.loads(visitor.sent[-1].post_data or "")
    assert 3600 <= sent["age_seconds"] < 3605
    visitor.assert_counted({("session_ends_late_total", "4001"): 1})


def test_page_without_a_secure_context_is_counted(visitor: Visitor, site: Site) -> None:
    page = visitor.open(origin=site.plain)
    assert page.evaluate("[isSecureContext, crypto.randomUUID]") == [False, None]
    page.evaluate("sdk.play(); sdk.close(1000)")
    visitor.assert_delivered(page, end(1000))


def test_calls_never_throw_into_the_page(visitor: Visitor) -> None:
    page = visitor.open()
    for call in (
        "end({ toString() { throw 1 } })",
        "state()",
        "session(null)",
    ):
        page.evaluate(f"void SessionEndCollector.{call}")
    page.evaluate("postMessage(null)")
    page.evaluate("SessionEndCollector.end(1000, null)")
    visitor.assert_delivered(page, end(1000))


def test_types_declare_the_functions_of_the_script(visitor: Visitor) -> None:
    page = visitor.open()
    (_, *interfaces) = re.split(r"interface (?=Session |Collector )", TYPES.read_text("utf-8"))
    declared = re.findall(r"^  (\w+)\(", "".join(interfaces), re.MULTILINE)
    assert sorted(declared) == sorted(page.evaluate("Object.keys(SessionEndCollector)"))
