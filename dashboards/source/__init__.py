"""The source of the Grafana dashboards: `python -m dashboards.source` writes dashboards/*.json.

Names, severities and objectives of codes and systems come from series, so no dashboard depends on a taxonomy.
"""
