"""Row 16 of the fault table: millions of hostile bodies, sent to all code behind the ingest port.

A defect is an exception other than `Refused`, a body that the fast and the strict parser read differently, a
batch that breaks the ledger's contract, a status other than 200 and 4xx, or a /metrics that does not parse.
"""

import multiprocessing
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, Final

from prometheus_client import CollectorRegistry

from exporter.errors import REJECTED_REASONS, Refused, Unparseable
from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.decode import Decoder
from exporter.ingest.event import MAX_DURATION
from exporter.ingest.guard import Media
from exporter.ingest.labels import LabelValues
from exporter.ledger.contract import FINGERPRINT_BYTES, KEY_BYTES, Batch, Receipt, Totals
from exporter.ledger.totals import RunningTotals
from exporter.metrics.collector import LedgerCollector
from exporter.metrics.exposition import render
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Taxonomy
from tests.faults.exposition import families
from tests.faults.mutator import Input, Mutator, packed
from tests.faults.table import row
from tests.ingest.listener import LABELS, NOW, Listener, Stream
from tests.ingest.memory_ledger import MemoryLedger

PER_REQUEST: Final = 50
"""Inputs per request to the whole application."""
PER_SCRAPE: Final = 100
"""Requests per scrape."""
PER_RENEWAL: Final = 20_000
"""Inputs after which application and classifiers are replaced, so that their tables stay small."""
TYPES = {
    Media.JSON: b"application/json",
    Media.NDJSON: b"application/x-ndjson",
    Media.CLOUDEVENT: b"application/cloudevents+json",
    Media.CLOUDEVENT_BATCH: b"application/cloudevents-batch+json",
    Media.CLOUDEVENT_BINARY: b"application/json",
}


class ShownLedger(MemoryLedger):
    """A ledger in memory that keeps totals as the real one does, but no batches."""

    def __init__(self) -> None:
        super().__init__()
        self._totals = RunningTotals()

    async def commit(self, batch: Batch) -> Receipt:
        receipt = await super().commit(batch)
        self.batches.clear()
        self._totals.publish(self._totals.change(batch, NOW.timestamp()))
        return receipt

    def totals(self) -> Totals:
        return Totals("memory", tuple(self._totals.series()), tuple(self._totals.durations()))


class Target:
    """Decoder, classifier, application and exposition under attack. A defect raises any exception, whose note
    is the input.

    `report` counts inputs, events and scrapes by their result, and the application's answers by their status.
    """

    def __init__(self, taxonomy: Taxonomy, rng: Random) -> None:
        self._taxonomy = taxonomy
        self._rng = rng
        self._decoder = Decoder(1000, 32)
        self.report = Counter[str]()
        self._renew()

    def take(self, given: Input) -> None:
        report = self.report
        report["inputs"] += 1
        try:
            self._decode(given)
            if report["inputs"] % PER_REQUEST == 0:
                self._request(given)
            if report["inputs"] % (PER_REQUEST * PER_SCRAPE) == 0:
                self._scrape()
        except Exception as error:
            error.add_note(f"input {given}")
            raise
        if report["inputs"] % PER_RENEWAL == 0:
            self._renew()

    def _renew(self) -> None:
        # No bound on label values: it depends on the order of events.
        self._classifiers = [
            Classifier(self._taxonomy, LabelValues(LABELS, 1_000_000, 32), 900, 300) for _ in "ab"
        ]
        self._ledger = ShownLedger()
        self._listener = Listener(self._taxonomy, self._ledger)
        self._registry = CollectorRegistry()
        self._registry.register(LedgerCollector(LABELS, self._ledger))

    # --- decoding and classifying --------------------------------------------------------------

    def _decode(self, given: Input) -> None:
        report = self.report
        try:
            decoded = self._decoder.decode(given.media, given.body, given.headers)
        except Refused:
            report["refused"] += 1
            return
        fast = self._decoder.decode_plain(given.media, given.body)
        classified = self._classifiers[0].classify(decoded, NOW.timestamp())
        report["classified"] += 1
        report["events"] += len(classified.resolved)
        report["rejected"] += len(classified.rejected)
        self._check(classified, decoded.total)
        if fast:
            report["fast"] += 1
            strict = self._strictly(given)
            if strict is None:
                assert classified.rejected
            else:
                assert _meaning(classified) == _meaning(strict), "the two parsers differ"

    def _strictly(self, given: Input) -> Classified | None:
        """None where a label is an integer of more digits than Python converts.

        The strict parser finds no JSON there. The fast one, which sees such a body first, rejects the event.
        """
        try:
            decoded = self._decoder._decode_strict(given.media, given.body)
        except Unparseable as error:
            if "digits" in error.detail:
                return None
            raise
        return self._classifiers[1].classify(decoded, NOW.timestamp())

    def _check(self, classified: Classified, total: int) -> None:
        batch, count = classified.batch, len(classified.resolved)
        keyed = count - classified.unkeyed
        assert count + len(classified.rejected) == total
        assert len(batch.keys) == keyed * KEY_BYTES
        assert len(batch.fingerprints) == keyed * FINGERPRINT_BYTES
        assert len(batch) == len(classified.places) == count
        places = [*classified.places, *(event.index for event in classified.rejected)]
        assert sorted(places) == list(range(total))
        durations = [seconds for seconds in batch.durations or () if seconds is not None]
        assert all(0 <= seconds <= MAX_DURATION for seconds in durations)
        assert all(event.reason in REJECTED_REASONS for event in classified.rejected)

    # --- the application -----------------------------------------------------------------------

    def _request(self, given: Input) -> None:
        rng = self._rng
        headers = {b"content-type": TYPES[given.media], **given.headers}
        body = given.body
        if rng.random() < 0.3:
            body = packed(body, rng)
            headers[b"content-encoding"] = b"gzip"
        answer = self._listener.post(Stream(_pieces(body, rng)), headers)
        assert answer.status == 200 or 400 <= answer.status < 500, answer
        kind = b"application/json" if answer.status == 200 else b"application/problem+json"
        assert answer.headers[b"content-type"] == kind
        assert isinstance(answer.json, dict)
        self.report[str(answer.status)] += 1

    def _scrape(self) -> None:
        text, _ = render(self._registry, "")
        openmetrics, _ = render(self._registry, "application/openmetrics-text")
        assert min(families(text, openmetrics)) >= 4
        self.report["scrapes"] += 1


def _meaning(classified: Classified) -> tuple[Any, ...]:
    """The counts and the answer, except for the wording of messages."""
    batch = classified.batch
    return (
        [series.key for series in batch.series],
        batch.keys,
        batch.fingerprints,
        None if batch.durations is None else list(batch.durations),
        None if batch.sessions is None else list(batch.sessions),
        list(classified.places),
        [(event.index, event.reason) for event in classified.rejected],
        [(code.system, code.code, code.unknown) for code in classified.resolved],
        (classified.unkeyed, classified.late, classified.delay),
    )


def _pieces(body: bytes, rng: Random) -> Iterable[bytes]:
    at = rng.randrange(len(body) + 1) if rng.random() < 0.3 else 0
    return (body[:at], body[at:]) if at else (body,)


def fuzz(count: int, seed: int, taxonomy: Taxonomy | None = None) -> Counter[str]:
    """`count` inputs from `seed`."""
    mutator, target = Mutator(seed), Target(taxonomy or load(), Random(seed))
    for _ in range(count):
        target.take(mutator.next())
    return target.report


@row(16, "hostile JSON, NDJSON, CloudEvents", "10 M inputs, 0 crashes")
def run(_folder: Path, quick: bool) -> str:
    count = 20_000 if quick else 10_000_000
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
        reports = processes.map(fuzz, (count // 2, count // 2), (1, 2))
        report = sum(reports, Counter[str]())
    inputs, refused, events, rejected, fast = (
        f"{report[key]:,}" for key in ("inputs", "refused", "events", "rejected", "fast")
    )
    statuses = ", ".join(f"{report[key]} × {key}" for key in sorted(report) if key.isdigit())
    return (
        f"{inputs} inputs, 0 crashes: {refused} refused, {events} events counted, {rejected} rejected; two "
        f"parsers agree on {fast}; {statuses}"
    )
