"""An application that reports session ends with the OpenTelemetry SDK, until SIGTERM.

`python -m tests.faults.otlp_client ENDPOINT JOURNAL` emits numbered ends, and writes the numbers that the SDK
believes delivered to JOURNAL, a batch per line. It emits undelivered numbers again, also those of a killed
process, and exports every fifth batch twice. After SIGTERM it ends when all are delivered.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult

_ROUND: Final = 200
"""New ends in each round."""
_DOUBLED: Final = 5
"""One in this number of batches is exported twice."""


class NotingExporter(OTLPLogExporter):
    """Writes the numbers of delivered records to a file and to `believed`."""

    def __init__(self, endpoint: str, journal: Path) -> None:
        super().__init__(endpoint=endpoint)
        self._journal = os.open(journal, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        lines = journal.read_text().split("\n")
        # The last line may be cut off by a kill.
        self.believed = {int(number) for line in lines[:-1] for number in line.split()}
        self._batches = 0

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        if self._batches % _DOUBLED == 0:
            # As the SDK does after a lost answer.
            super().export(batch)
        self._batches += 1
        result = super().export(batch)
        if result is LogRecordExportResult.SUCCESS:
            numbers = [str((each.log_record.attributes or {})["log.record.uid"]) for each in batch]
            os.write(self._journal, " ".join(numbers).encode() + b"\n")
            self.believed.update(map(int, numbers))
        return result


def main(endpoint: str, journal: Path) -> None:
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    exporter = NotingExporter(endpoint, journal)
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(
        BatchLogRecordProcessor(exporter, schedule_delay_millis=50, max_export_batch_size=50)
    )
    logger = provider.get_logger("client")
    following = max(exporter.believed, default=-1) + 1
    while True:
        following += 0 if stopping else _ROUND
        missing = [number for number in range(following) if number not in exporter.believed]
        if not missing:
            break
        for number in missing:
            logger.emit(
                event_name="session.end",
                attributes={
                    "system": "streampixel",
                    "code": (4001, 1000, 1006, 4005)[number % 4],
                    "log.record.uid": str(number),
                },
            )
        provider.force_flush()
    provider.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
