"""Pure builders: taxonomy + policy → rules, runbooks, Alertmanager's configuration; only `generate` writes."""
