"""`session-end-exporter simulate`: session ends of both platforms, with labeled incidents.

Each module imports only earlier ones: `history` (the result), `profiles` and `traffic` (means), `noise`
(means become counts), `window` and `incidents` (what goes wrong), `scenario` (all of it together),
`openmetrics` and `events` (outputs), `options`, `posting` (to an exporter), `command`.
"""
