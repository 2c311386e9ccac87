"""Runbooks: Markdown files in rules/runbooks, rendered as HTML."""
