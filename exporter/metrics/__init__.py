"""What /metrics shows: the ledger's totals (`collector`) and the exporter's own state (`own`)."""
