"""The taxonomy: one YAML file per system, the source of series labels, code pages and `codes`."""

from exporter.taxonomy.model import PHASES, Code, Outcome, Owner, Phase, Severity, System, Taxonomy

__all__ = ["PHASES", "Code", "Outcome", "Owner", "Phase", "Severity", "System", "Taxonomy"]
