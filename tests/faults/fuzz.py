"""Row 16 of the fault table: hostile bodies by the million, against everything behind the ingest port.

`python -m tests.faults.fuzz COUNT SEED` prints a `Report` as JSON. What is a defect, with the input that
shows it: an exception that is not a `Refused`; a body that the fast and the strict path understand
differently; a batch that breaks the ledger's contract; a status that is not 200 or 4xx; a /metrics that
does not parse.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from exporter.errors import REJECTED_REASONS, Refused, Unparseable
from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.decode import Decoder
from exporter.ingest.event import MAX_DURATION, Decoded
from exporter.ingest.labels import LabelValues
from exporter.ingest.media import Media
from exporter.ledger.contract import FINGERPRINT_BYTES, KEY_BYTES, Batch, Receipt, Totals
from exporter.ledger.totals import RunningTotals
from exporter.metrics.collector import LedgerCollector
from exporter.metrics.exposition import render
from exporter.taxonomy import Taxonomy
from exporter.taxonomy.loader import load
from tests.e2e.exporter_process import ROOT
from tests.faults.mutator import Input, Mutator, packed
from tests.faults.table import Row
from tests.ingest.listener import LABELS, NOW, Listener, Stream
from tests.ingest.memory_ledger import MemoryLedger

ASKED = 50
"""One in so many inputs is a request to the whole application."""
SCRAPED = 100
"""One in so many requests is followed by a scrape."""
FORGOTTEN = 20_000
"""Inputs after which application and classifiers are made anew, so that their tables stay small."""
TYPES = {
    Media.JSON: b"application/json",
    Media.NDJSON: b"application/x-ndjson",
    Media.CLOUDEVENT: b"application/cloudevents+json",
    Media.CLOUDEVENT_BATCH: b"application/cloudevents-batch+json",
    Media.CLOUDEVENT_BINARY: b"application/json",
}


class Defect(AssertionError):
    """What is wrong, and the input that shows it."""


@dataclass
class Report:
    """How often what happened; `statuses` are those of the application."""

    inputs: int = 0
    fast: int = 0
    classified: int = 0
    refused: int = 0
    events: int = 0
    rejected: int = 0
    scrapes: int = 0
    statuses: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: "Report") -> "Report":
        ours, theirs = asdict(self), asdict(other)
        statuses = Counter(ours.pop("statuses")) + Counter(theirs.pop("statuses"))
        return Report(**{name: ours[name] + theirs[name] for name in ours}, statuses=dict(statuses))


class ShownLedger(MemoryLedger):
    """A ledger in memory that keeps totals as the real one does, and no batches."""

    def __init__(self) -> None:
        super().__init__()
        self._totals = RunningTotals()

    async def commit(self, batch: Batch) -> Receipt:
        receipt = await super().commit(batch)
        self.batches.clear()
        changes = self._totals.change(
            batch.series, batch.durations, batch.sessions, NOW.timestamp()
        )
        self._totals.publish(changes)
        return receipt

    def totals(self) -> Totals:
        return Totals("memory", tuple(self._totals.series()), tuple(self._totals.durations()))


class Target:
    """What the inputs are thrown at; raises `Defect`."""

    def __init__(self, taxonomy: Taxonomy, chance: Random) -> None:
        self._taxonomy = taxonomy
        self._chance = chance
        self._decoder = Decoder(1000, 32)
        self._loop = asyncio.new_event_loop()
        self.report = Report()
        self._renew()

    def close(self) -> None:
        self._loop.close()

    def take(self, given: Input) -> None:
        report = self.report
        report.inputs += 1
        try:
            self._understand(given)
            if report.inputs % ASKED == 0:
                self._ask(given)
            if report.inputs % (ASKED * SCRAPED) == 0:
                self._scrape()
        except Exception as error:
            raise Defect(f"{type(error).__name__}: {error}\ninput {given}") from error
        if report.inputs % FORGOTTEN == 0:
            self._renew()

    def _renew(self) -> None:
        # Without the bound on label values, which shows in which order events were seen.
        self._classifiers = [
            Classifier(self._taxonomy, LabelValues(LABELS, 1_000_000, 32), 900, 300) for _ in "ab"
        ]
        self._ledger = ShownLedger()
        self._listener = Listener(self._taxonomy, self._ledger)
        self._registry = CollectorRegistry()
        self._registry.register(LedgerCollector(LABELS, self._ledger))

    # --- decoding and classifying --------------------------------------------------------------

    def _understand(self, given: Input) -> None:
        report = self.report
        try:
            decoded = self._decoder.decode(given.media, given.body, given.headers)
        except Refused:
            report.refused += 1
            return
        fast = given.media in (Media.JSON, Media.NDJSON) and self._decoder._decode_fast(
            given.media, given.body
        )
        total = decoded.total
        found = self._classified(0, decoded)
        report.classified += 1
        report.events += len(found.resolved)
        report.rejected += len(found.rejected)
        self._sound(found, total)
        if fast:
            report.fast += 1
            strict = self._strictly(given)
            if strict is None:
                assert found.rejected
            else:
                assert _meaning(found) == _meaning(strict), "the two paths differ"

    def _strictly(self, given: Input) -> Classified | None:
        """None where a label is an integer of more digits than Python converts: the strict path finds no
        JSON there, and the fast one, which sees such a body first, an event to reject."""
        try:
            decoded = self._decoder._decode_strict(given.media, given.body)
        except Unparseable as error:
            if "digits" in error.detail:
                return None
            raise
        return self._classified(1, decoded)

    def _classified(self, which: int, decoded: Decoded) -> Classified:
        return self._classifiers[which].classify(decoded, NOW.timestamp())

    def _sound(self, found: Classified, total: int) -> None:
        batch, count = found.batch, len(found.resolved)
        keyed = count - found.unkeyed
        assert count + len(found.rejected) == total
        assert len(batch.keys) == keyed * KEY_BYTES
        assert len(batch.fingerprints) == keyed * FINGERPRINT_BYTES
        assert len(batch) == len(found.places) == count
        places = [*found.places, *(one.index for one in found.rejected)]
        assert sorted(places) == list(range(total))
        assert all(one is None or 0 <= one <= MAX_DURATION for one in batch.durations or ())
        assert all(one.reason in REJECTED_REASONS for one in found.rejected)

    # --- the application -----------------------------------------------------------------------

    def _ask(self, given: Input) -> None:
        chance = self._chance
        headers = {b"content-type": TYPES[given.media], **given.headers}
        body = given.body
        if chance.random() < 0.3:
            body = packed(body, chance)
            headers[b"content-encoding"] = b"gzip"
        answer = self._loop.run_until_complete(
            self._listener.answer(Stream(_pieces(body, chance)), headers)
        )
        assert answer.status == 200 or 400 <= answer.status < 500, answer
        kind = b"application/json" if answer.status == 200 else b"application/problem+json"
        assert answer.headers[b"content-type"] == kind
        assert isinstance(answer.json, dict)
        status = str(answer.status)
        self.report.statuses[status] = self.report.statuses.get(status, 0) + 1

    def _scrape(self) -> None:
        text, _ = render(self._registry, None)
        assert len(list(text_string_to_metric_families(text.decode()))) >= 4
        self.report.scrapes += 1


def _meaning(found: Classified) -> tuple[Any, ...]:
    """What is counted and what is answered, the wording of messages left out."""
    batch = found.batch
    return (
        [one.key for one in batch.series],
        batch.keys,
        batch.fingerprints,
        None if batch.durations is None else list(batch.durations),
        None if batch.sessions is None else list(batch.sessions),
        list(found.places),
        [(one.index, one.reason) for one in found.rejected],
        [(code.system, code.code, code.unknown) for code in found.resolved],
        (found.unkeyed, found.late, found.delay),
    )


def _pieces(body: bytes, chance: Random) -> Iterable[bytes]:
    at = chance.randrange(len(body) + 1) if chance.random() < 0.3 else 0
    return (body[:at], body[at:]) if at else (body,)


def fuzz(count: int, seed: int, taxonomy: Taxonomy | None = None) -> Report:
    """`count` inputs from `seed` in this process. Raises `Defect`."""
    target = Target(taxonomy or load(), Random(seed))
    mutator = Mutator(seed)
    try:
        for _ in range(count):
            target.take(mutator.next())
    finally:
        target.close()
    return target.report


def fuzz_in_processes(count: int, seed: int, processes: int = 2) -> Report:
    """The same, shared among processes with a seed each. Raises `Defect`."""
    running = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.faults.fuzz",
                str(count // processes),
                str(seed + number),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for number in range(processes)
    ]
    report = Report()
    try:
        for process in running:
            said, complaint = process.communicate()
            if process.returncode:
                raise Defect(complaint[-6000:])
            report += Report(**json.loads(said))
    finally:
        for process in running:
            process.kill()
            process.communicate()
    return report


def _run(_folder: Path, quick: bool) -> str:
    found = fuzz_in_processes(20_000 if quick else 10_000_000, seed=1)
    statuses = ", ".join(f"{count} × {status}" for status, count in sorted(found.statuses.items()))
    return (
        f"{found.inputs:,} inputs, 0 crashes: {found.refused:,} refused, {found.events:,} events "
        f"counted, {found.rejected:,} rejected; two paths agree on {found.fast:,}; {statuses}"
    )


ROW: Final = Row(16, "hostile JSON, NDJSON, CloudEvents", "10 M inputs, 0 crashes", _run)


if __name__ == "__main__":
    print(json.dumps(asdict(fuzz(int(sys.argv[1]), int(sys.argv[2])))))
