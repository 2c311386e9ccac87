"""The metrics: session ends (`collector`), the taxonomy, and the exporter itself (`own`)."""
