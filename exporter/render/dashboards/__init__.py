"""Grafana's dashboards, built from the policy and the taxonomy: what is asked, what it looks like, where."""
