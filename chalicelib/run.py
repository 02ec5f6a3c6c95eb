"""What every handler works with, and what it comes to: the adapters, the configuration, and the
report."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from chalicelib.aws.client import LONGEST_QUESTION, Aws
from chalicelib.config.policy import Policy
from chalicelib.config.rules import Config
from chalicelib.core.healing import Verdict
from chalicelib.core.notices import Notice
from chalicelib.core.observation import Observation
from chalicelib.model import Action, Decision, Reason, Skip, Target

T = TypeVar("T")


class Failure(Exception):
    """Something failed for one subject, and the others were looked at all the same."""

    def __init__(self, subject: str, doing: str, error: Exception) -> None:
        """Say what was being done to what, and what AWS answered."""
        self.subject, self.doing, self.error = subject, doing, error
        super().__init__(f"{subject}: {doing} failed: {error}")


@dataclass
class Report:
    """What one event came to.

    seen: the targets of whose state somebody may want to hear. notices: what else is to be told.
    told: what reached somebody.
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
        """Raise all failures together, so that Lambda counts an error and tries an asynchronous
        event again.

        Raises ExceptionGroup of Failure. Trying again is safe: the facts are read anew, and what
        was done is found done.
        """
        if self.failures:
            raise ExceptionGroup("Headroom could not do everything", self.failures)


@dataclass(frozen=True)
class Shell:
    """What a handler works with. dry_run: plan, but do not act. may_go_on: tells whether there is
    time for one more table.

    may_wait: tells whether there is time to wait so many seconds for somebody's answer, and to act
    afterwards. settled: called with the report when all is decided and done, before people are told
    of it, which may take longer than the run lasts.
    """

    aws: Aws
    config: Config
    dry_run: bool = False
    may_go_on: Callable[[], bool] = lambda: True
    may_wait: Callable[[float], bool] = lambda _: True
    settled: Callable[[Report], None] = lambda _: None
    _known: dict[tuple[Hashable, datetime], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def foreign(self, alarm: str, region: str, account: str) -> Skip | None:
        """Return why an event's alarm is none of this account and Region, if it is not; "" where
        the event does not tell."""
        home = self.aws.region
        if region not in ("", home):
            return Skip(alarm, Reason.FOREIGN, f"the alarm is in {region}, this is {home}")
        if account and account != self.aws.account:
            return Skip(alarm, Reason.FOREIGN, f"the alarm is of account {account}, not ours")
        return None

    def policy(self, target: Target) -> Policy:
        """Return the settings of a managed target. Raises LookupError for any other."""
        policy = self.config.policy_for(target)
        if policy is None:
            raise LookupError(f"{target} is not managed")
        return policy

    def once(self, key: Hashable, now: datetime, read: Callable[[], T]) -> T:
        """Return what `read` gave for this event, which is known by its `now`: many groups of
        tables ask, one call is made."""
        if (key, now) not in self._known:
            self._known[key, now] = read()
        found: T = self._known[key, now]
        return found


def attempt(report: Report, subject: str, doing: str, call: Callable[[], T]) -> T | None:
    """Return what a call gives; or None, and the failure stands in the report, which is raised at
    the end.

    Whatever breaks it, an answer that nobody has foreseen, too: it must lose neither the other
    tables nor what is to be logged.
    """
    try:
        return call()
    except Exception as error:  # noqa: BLE001  it is raised at the end
        report.failures.append(Failure(subject, doing, error))
        return None


def ask(shell: Shell, report: Report, subject: str, doing: str, call: Callable[[], T]) -> T | None:
    """Return what a question gives whose answer only holds something; None where it fails, or where
    no time is left for it.

    An increase does not depend on it, so that who does not answer must not use up an increase's
    time.
    """
    if not shell.may_wait(LONGEST_QUESTION):
        report.skips.append(
            Skip(
                subject,
                Reason.NO_TIME_LEFT,
                "not asked: the time that is left is for what is to be raised",
            )
        )
        return None
    return attempt(report, subject, doing, call)
