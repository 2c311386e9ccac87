"""The request of 1,000 OTLP records that otlp.lua sends."""

import os
import time
from pathlib import Path
from typing import Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

MARK: Final = "MARK" * 6
"""otlp.lua replaces it in each id; the text that replaces it has the same length."""


def write_body(folder: Path) -> None:
    """Write the body that otlp.lua reads."""
    file = folder / "otlp.bin"
    file.write_bytes(_body())
    os.environ["OTLP_BODY"] = str(file)


def _body() -> bytes:
    """A request as an SDK writes it."""
    message = ExportLogsServiceRequest()
    logs = message.resource_logs.add()
    logs.resource.attributes.add(key="service.name").value.string_value = "streampixel"
    records = logs.scope_logs.add().log_records
    for number in range(1000):
        now = time.time_ns()
        record = records.add(
            time_unix_nano=now, observed_time_unix_nano=now, event_name="session.end"
        )
        uid = f"{MARK}-{number}"
        for key, text in (("session.id", f"s-{number}"), ("log.record.uid", uid)):
            record.attributes.add(key=key).value.string_value = text
        record.attributes.add(key="code").value.int_value = (4001, 1000, 1006, 4006)[number % 4]
    body: bytes = message.SerializeToString()
    return body
