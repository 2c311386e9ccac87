"""Payloads of Streampixel's webhook, as in its documentation."""

import json
from typing import Any

STATUS = {
    "build.uploaded": "pending",
    "build.downloading": "Downloading Files",
    "build.extracting": "Extracting & Scanning",
    "build.saving": "Saving to Repository",
    "build.distributing": "Distribute",
    "build.approved": "Approved",
    "build.rejected": "Reject",
}
"""The status of each build event."""
PROJECT = "664f1a2b3c4d5e6f7a8b9c0d"
UPLOAD = "665a2b3c4d5e6f7a8b9c0e1f"


def body(event: str = "build.approved", **fields: Any) -> bytes:
    """A complete payload; `fields` replace fields, None as null."""
    build = event in STATUS
    payload = {
        "event": event,
        "projectId": PROJECT,
        "uploadId": UPLOAD if build else None,
        "fileUrl": "https://your-bucket.s3.amazonaws.com/builds/v1.2.0.zip" if build else None,
        "status": STATUS.get(event, "Test"),
        "objection": "Unsupported file formats." if event == "build.rejected" else None,
        "timestamp": "2026-11-20T18:50:00.000Z",
    }
    return json.dumps(payload | fields).encode()


TEST_BODY = body("webhook.test")
