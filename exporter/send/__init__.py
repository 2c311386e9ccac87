"""`session-end-exporter send`: posts events from files and standard input, each counted once.

Imports go one way: `options`, `records` (JSON, NDJSON), `csv_rows`, `sources` (inputs), `report`,
`events` (one spelling, an id), `connection` (HTTP), `delivery` (batches, retries), `command`.
"""
