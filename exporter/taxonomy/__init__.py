"""The taxonomy: one YAML file per system, the source of series labels, code pages and `codes`."""
