"""Runbooks: Markdown files, written by hand in rules/runbooks, and the HTML made of them."""
