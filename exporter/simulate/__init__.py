"""`session-end-exporter simulate`: session ends of both platforms, with labeled incidents."""
