"""A body as it is, posted to a real process."""

import contextlib
import http.client

from tests.e2e.exporter_process import ExporterProcess, Reply


def post(exporter: ExporterProcess, body: bytes, **headers: str) -> Reply:
    """Send `body` as JSON, or as what `Content_Type` says; other headers are named likewise."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", exporter.ports["ingest"], timeout=30)
    with contextlib.closing(connection):
        # A body that is refused unread breaks the pipe; the answer is there all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(
                *("POST", "/v1/session-ends", body),
                {"Content-Type": "application/json", **named},
            )
        return Reply(connection.getresponse())
