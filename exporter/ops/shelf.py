"""The runbooks that the pages show, read when the first is asked for.

Reading them and the policy, and importing what makes them, takes some 0.2 s: nobody waits for that who
only scrapes. The policy is the shipped one, as it is for `render` without `--policy`.
"""

from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Final

from exporter.errors import ConfigError
from exporter.policy.loader import load as load_policy
from exporter.policy.model import Policy
from exporter.render.catalog import Subject, subjects
from exporter.render.pack import DASHBOARD_BASE_URL, RUNBOOK_BASE_URL, Pack
from exporter.render.page import RunbookPage, page_of, page_of_alert
from exporter.runbooks.loader import load as load_runbooks
from exporter.taxonomy.model import Code, Taxonomy

_CLOSE: Final = 0.5
"""How alike names must be: alerts of one system all begin alike, so less would offer any of them."""


@dataclass
class Shelf:
    """Runbooks and alerts of a taxonomy; `mistake` is why there are no alerts, when there are none."""

    taxonomy: Taxonomy
    policy: Policy = field(default_factory=load_policy)
    mistake: str = ""

    @cached_property
    def alerts(self) -> tuple[Subject, ...]:
        """Every alert, in the order of the rules."""
        try:
            return tuple(subjects(self.taxonomy, self.policy.queued))
        except ConfigError as error:
            # Two codes whose alerts would have one name: no rules can be rendered, but events are counted,
            # and a code's page still has something to say.
            self.mistake = str(error)
            return ()

    @cached_property
    def pack(self) -> Pack:
        """What rules are rendered from; its URLs are of no use here."""
        return Pack(self.taxonomy, self.policy, self.alerts, RUNBOOK_BASE_URL, DASHBOARD_BASE_URL)

    @cached_property
    def signals(self) -> dict[str, str]:
        """What a code's alert means, by signal."""
        return load_runbooks(self.taxonomy).signals

    def alert(self, name: str) -> Subject | None:
        """The alert of that name."""
        return next((one for one in self.alerts if one.alert == name), None)

    def alerts_of(self, code: Code) -> tuple[Subject, ...]:
        return tuple(one for one in self.alerts if one.code == code)

    def near(self, name: str) -> list[Subject]:
        """Alerts with a name like `name`, the likest first."""
        by_name = {one.alert.casefold(): one for one in self.alerts}
        close = get_close_matches(name.casefold(), by_name, n=5, cutoff=_CLOSE)
        return [by_name[one] for one in close]

    def of_code(self, code: Code) -> RunbookPage:
        return page_of(self.taxonomy, self.policy, code.system, code.code)

    def of_alert(self, subject: Subject) -> RunbookPage:
        """The page of an alert that is not a code's."""
        return page_of_alert(self.taxonomy, self.policy, subject)
