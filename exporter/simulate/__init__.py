"""`session-end-exporter simulate`: session ends as two platforms have them, with named incidents.

Stages, each importing only those before it: `history` (what comes out: counts a bin, and the truth
about the incidents), `traffic` (how many ends, when, with which codes), `profiles` (the two systems'
usual shares), `noise` (means become counts), `scrapes` (what a Prometheus sees of them), `window` and
`incidents` (what goes wrong), `scenario` (all of it: `simulate`), then the outputs: `openmetrics`
for a TSDB backfill, `events` for NDJSON and HTTP, `live` (events at the pace of a clock), `options` and
`command`.

The same arguments and seed give the same history, the same events and the same ids.
"""
