"""Events that are accepted."""

from typing import Any

from tests.ingest.listener import JSON

EVENT: dict[str, Any] = {"system": "softdrive", "code": "01", "id": "e-1"}
GOOD_GZIP = {**JSON, b"content-encoding": b"gzip"}


def keyless(**fields: Any) -> dict[str, Any]:
    return {"system": "softdrive", "code": "01", **fields}
