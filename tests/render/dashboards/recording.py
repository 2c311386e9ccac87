"""The recording rules that a policy makes."""

from exporter.policy.model import Policy
from exporter.render import generate
from exporter.render.rule import Rule
from tests.render.test_generate import TAXONOMY


def recording(policy: Policy) -> list[Rule]:
    """Of all files, in their order."""
    pack = generate.pack_of(TAXONOMY, policy, "http://r", "http://d")
    return [
        rule
        for file in generate.rule_files(pack)
        for group in file.groups
        for rule in group.rules
        if rule.record
    ]
