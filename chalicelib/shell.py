"""What every handler works with, and what it comes to: the adapters, the configuration, and the report."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from chalicelib.aws import Aws, AwsError
from chalicelib.config import Config, Policy
from chalicelib.healing import Verdict
from chalicelib.model import Action, Decision, Observation, Reason, Skip, Target
from chalicelib.notices import Notice

T = TypeVar("T")


class Failure(Exception):
    """Something failed for one subject, and the others were looked at all the same."""

    def __init__(self, subject: str, doing: str, error: Exception) -> None:
        """Say what was being done to what, and what AWS answered."""
        self.subject = subject
        super().__init__(f"{subject}: {doing} failed: {error}")


@dataclass
class Report:
    """What one event came to.

    seen: the targets of whose state somebody may want to hear. notices: what else is to be told. told: what reached somebody.
    """

    decisions: list[Decision] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    planned: list[Action] = field(default_factory=list)
    done: list[Action] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    seen: dict[Target, Observation] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    told: list[Notice] = field(default_factory=list)

    def raise_failures(self) -> None:
        """Raise all failures together, so that Lambda counts an error and tries an asynchronous event again.

        Raises ExceptionGroup of Failure. Trying again is safe: the facts are read anew, and what was done is found done.
        """
        if self.failures:
            raise ExceptionGroup("Headroom could not do everything", self.failures)


@dataclass(frozen=True)
class Shell:
    """What a handler works with. dry_run: plan, but do not act. may_go_on: tells whether there is time for one more table."""

    world: Aws
    config: Config
    dry_run: bool = False
    may_go_on: Callable[[], bool] = lambda: True
    _known: dict[tuple[Hashable, datetime], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def foreign(self, alarm: str, region: str, account: str) -> Skip | None:
        """Return why an event's alarm is none of this account and Region, if it is not; "" where the event does not tell."""
        home = self.world.region
        if region not in ("", home):
            return Skip(alarm, Reason.FOREIGN, f"the alarm is in {region}, this is {home}")
        if account and account != self.world.account:
            return Skip(alarm, Reason.FOREIGN, f"the alarm is of account {account}, not ours")
        return None

    def policy(self, target: Target) -> Policy:
        """Return the settings of a managed target. Raises LookupError for any other."""
        policy = self.config.policy_for(target)
        if policy is None:
            raise LookupError(f"{target} is not managed")
        return policy

    def once(self, key: Hashable, now: datetime, read: Callable[[], T]) -> T:
        """Return what `read` gave for this event, which is known by its `now`: many groups of tables ask, one call is made."""
        if (key, now) not in self._known:
            self._known[key, now] = read()
        found: T = self._known[key, now]
        return found


def attempt(report: Report, subject: str, doing: str, call: Callable[[], T]) -> T | None:
    """Return what a call to AWS gives; or None, and the failure stands in the report, which is raised at the end."""
    try:
        return call()
    except AwsError as error:
        report.failures.append(Failure(subject, doing, error))
        return None
