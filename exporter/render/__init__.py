"""Pure builders: taxonomy + policy → rules, runbooks, Alertmanager; only `generate` writes files."""
