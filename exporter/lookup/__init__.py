"""Finding codes and showing what they mean: `session-end-exporter codes` and the pages of codes."""
