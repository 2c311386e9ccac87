"""`session-end-exporter send`: posts events from files and standard input, each counted once.

Modules in the order of their imports: `options`; `records` (NDJSON and the JSON object of a line),
`json_elements` and `csv_rows`, the readers of each format; `sources` (one input: opened,
decompressed, its format detected); `occurrences` and `events` (fields in one spelling, with an id);
`responses`, `connection`, `report`, `delivery` (batches and retries); `command`.
"""
