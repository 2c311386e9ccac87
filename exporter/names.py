"""Every metric, label and path name, written once: metrics, rules, dashboards and tests import it."""

from typing import Final

# --- the product's own series -------------------------------------------------------------------
SESSION_ENDS: Final = "session_ends_total"
SESSION_ENDS_LATE: Final = "session_ends_late_total"
SESSION_INTERRUPTIONS: Final = "session_interruptions_total"
SESSION_DURATION: Final = "session_duration_seconds"
SESSION_END_CODE_INFO: Final = "session_end_code_info"

# --- labels ---------------------------------------------------------------------------------------
SYSTEM: Final = "system"
CODE: Final = "code"
NAME: Final = "name"
PHASE: Final = "phase"
CATEGORY: Final = "category"
OUTCOME: Final = "outcome"
OWNER: Final = "owner"
LEDGER: Final = "ledger"
REASON: Final = "reason"
STATUS: Final = "status"
BOUND: Final = "bound"
LABEL: Final = "label"
VERSION: Final = "version"
SESSION_ID: Final = "session_id"
"""The exemplar's label; never a label of a series."""

SERIES_LABELS: Final = (SYSTEM, CODE, PHASE, CATEGORY, OUTCOME)
"""Labels of the three counters that come from the taxonomy; `ledger` and configured ones follow."""
RESERVED_LABELS: Final = frozenset({*SERIES_LABELS, LEDGER, NAME, OWNER, "le", "job", "instance"})
"""Names that a configured label may not take."""

UNKNOWN: Final = "unknown"
"""Code, phase and category of an event whose code no taxonomy row has."""
OTHER: Final = "other"
"""Value of a configured label once `max_label_values` values of it were seen."""

# --- self-metrics -----------------------------------------------------------------------------------
_OWN: Final = "session_exporter_"
BUILD_INFO: Final = _OWN + "build_info"
REQUESTS: Final = _OWN + "requests_total"
REFUSED_REQUESTS: Final = _OWN + "refused_requests_total"
ACCEPTED_EVENTS: Final = _OWN + "accepted_events_total"
DUPLICATE_EVENTS: Final = _OWN + "duplicate_events_total"
REJECTED_EVENTS: Final = _OWN + "rejected_events_total"
LATE_EVENTS: Final = _OWN + "late_events_total"
AT_LEAST_ONCE_EVENTS: Final = _OWN + "at_least_once_events_total"
UNKNOWN_CODE_EVENTS: Final = _OWN + "unknown_code_events_total"
CAPPED_LABELS: Final = _OWN + "capped_label_values_total"
EVENT_DELAY: Final = _OWN + "event_delay_seconds"
COMMIT_SECONDS: Final = _OWN + "commit_seconds"
COMMIT_FAILURES: Final = _OWN + "commit_failures_total"
QUEUE_EVENTS: Final = _OWN + "queue_events"
QUEUE_BYTES: Final = _OWN + "queue_bytes"
LEDGER_WRITABLE: Final = _OWN + "ledger_writable"
LEDGER_SIZE: Final = _OWN + "ledger_size_bytes"
LEDGER_DAMAGED: Final = _OWN + "ledger_damaged_timestamp_seconds"
HELD_SERIES: Final = _OWN + "first_seen_zero_series"
WINDOW_IDS: Final = _OWN + "dedup_window_ids"
WINDOW_CAPACITY: Final = _OWN + "dedup_window_capacity_ids"
WINDOW_SPAN: Final = _OWN + "dedup_window_span_seconds"
WINDOW_EXPIRED: Final = _OWN + "dedup_window_expired_ids_total"
SCRAPE_SECONDS: Final = _OWN + "scrape_seconds"

# --- paths ------------------------------------------------------------------------------------------
INGEST_PATH: Final = "/v1/session-ends"
METRICS_PATH: Final = "/metrics"
HEALTHY_PATH: Final = "/-/healthy"
READY_PATH: Final = "/-/ready"
UNKNOWN_CODES_PATH: Final = "/api/unknown-codes"
