"""What runbooks say beyond the taxonomy: facts in YAML, read strictly; `exporter.render` makes pages."""
