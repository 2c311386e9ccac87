"""Pages that send events without the script: a real browser delivers each documented form of the call."""

from tests.collector.visitor import Visitor, end
from tests.e2e.exporter_process import ExporterProcess

SEND = {
    "text": "navigator.sendBeacon(url, text)",
    "text Blob": "navigator.sendBeacon(url, new Blob([text], { type: 'text/plain' }))",
    "JSON Blob": "navigator.sendBeacon(url, new Blob([text], { type: 'application/json' }))",
    "bytes": "navigator.sendBeacon(url, new TextEncoder().encode(text).buffer)",
    "fetch": """fetch(url, {
        method: "POST", body: text, credentials: "include", headers: { "Content-Type": "application/json" },
    }).then(({ status }) => status === 204)""",
}


def test_event_of_a_page_is_delivered_with_credentials(
    visitor: Visitor, exporter: ExporterProcess
) -> None:
    """Fails without Access-Control-Allow-Credentials: the browser drops a JSON Blob silently."""
    page = visitor.open("/bare")
    url = f"http://127.0.0.1:{exporter.ports['ingest']}/v1/beacons/{page.evaluate('KEY')}"
    for number, send in enumerate(SEND.values(), 1):
        event = "{ id: crypto.randomUUID(), code: 4001 }"
        script = f"(url) => {{ const text = JSON.stringify({event}); return {send}; }}"
        assert page.evaluate(script, url) is True
        visitor.assert_counted(end(4001, number))
