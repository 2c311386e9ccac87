"""Session ends in OTLP log records: `POST /v1/logs`."""
