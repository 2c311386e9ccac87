"""The taxonomy: one YAML file per system; labels, rules, runbooks, panels and the CLI come from it."""

from exporter.taxonomy.model import PHASES, Code, Outcome, Owner, Phase, Severity, System, Taxonomy

__all__ = ["PHASES", "Code", "Outcome", "Owner", "Phase", "Severity", "System", "Taxonomy"]
