"""One invocation (`Run`) and its result (`Report`)."""

import math
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from chalicelib.aws.client import LONGEST_OPTIONAL_CALL, Aws
from chalicelib.config.policy import Policy
from chalicelib.config.rules import Config
from chalicelib.core.healing import HealingDecision
from chalicelib.core.notices import Notice
from chalicelib.core.observation import Observation
from chalicelib.model import Action, Alarm, Decision, Reason, Skip, Target

P = ParamSpec("P")
T = TypeVar("T")

#: A run begins no new table when less than this is left of Lambda's timeout.
LAST_SECONDS = 2.0
#: This much of Lambda's timeout is kept for increases before an optional service is called.
ACTING_SECONDS = 10.0


class Failure(Exception):
    """Something failed for one subject. The other subjects were still checked."""

    def __init__(self, subject: str, doing: str, error: Exception) -> None:
        """Keep what was being done to what, and what AWS answered."""
        self.subject, self.doing, self.error = subject, doing, error
        super().__init__(f"{subject}: {doing} failed: {error}")


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep read: the alarms on the topic, and the names of the managed tables."""

    alarms: Sequence[Alarm]
    tables: Collection[str]


@dataclass
class Report:
    """The result of one invocation.

    observations: the targets whose state may cause a notification. instance_alarms: the alarms of
    failed instances, by instance. notified: the notices that were delivered. sweep: what a sweep
    read, None if it could not read the alarms.
    """

    decisions: list[Decision] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    planned: list[Action] = field(default_factory=list)
    done: list[Action] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    healing_decisions: list[HealingDecision] = field(default_factory=list)
    observations: dict[Target, Observation] = field(default_factory=dict)
    instance_alarms: dict[str, Alarm] = field(default_factory=dict)
    notified: list[Notice] = field(default_factory=list)
    sweep: Sweep | None = None

    def raise_failures(self) -> None:
        """Raise all failures together: Lambda counts an error, and retries an asynchronous event.

        Raises ExceptionGroup of Failure. A retry is safe: it reads the facts again, and does
        not repeat what is done.
        """
        if self.failures:
            raise ExceptionGroup("Headroom could not do everything", self.failures)


@dataclass
class Run:
    """One invocation: its adapters, its configuration, its time and its report.

    now: aware, read once. dry_run: plan, but do not act. seconds_left: how long the function may
    still run.
    """

    aws: Aws
    config: Config
    now: datetime
    dry_run: bool = False
    seconds_left: Callable[[], float] = lambda: math.inf
    report: Report = field(default_factory=Report)
    _answers: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def policy(self, target: Target) -> Policy:
        """Return the settings of a managed target. Raises LookupError for any other."""
        policy = self.config.policy_for(target)
        if policy is None:
            raise LookupError(f"{target} is not managed")
        return policy

    def has_time(self) -> bool:
        """Tell whether there is time for one more table."""
        return self.seconds_left() > LAST_SECONDS

    def may_wait(self, seconds: float) -> bool:
        """Tell whether there is time to wait so many seconds for an answer, and to act then."""
        return self.seconds_left() > seconds + ACTING_SECONDS

    def skip(self, subject: str, reason: Reason, detail: str) -> None:
        """Report that something was checked and left as it is."""
        self.report.skips.append(Skip(subject, reason, detail))

    def skip_for_time(self, subject: str) -> None:
        """Report that no time was left for a subject."""
        self.skip(
            subject, Reason.NO_TIME_LEFT, "no time left in this run; the next one looks again"
        )

    def fail(self, subject: str, doing: str, error: Exception) -> None:
        """Report a failure. All failures are raised at the end."""
        self.report.failures.append(Failure(subject, doing, error))

    def attempt(
        self, subject: str, doing: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Return the result of a call. If it fails, report the failure and return None.

        Every exception is caught, even one that nobody expected. Otherwise the other tables and the
        log would be lost.
        """
        try:
            return call(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  it is raised at the end
            self.fail(subject, doing, error)
            return None

    def ask(
        self, subject: str, doing: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Do the same for a service whose answer can only hold capacity. Without time return None.

        An increase does not depend on the answer. So a service that does not answer must not use up
        the time of an increase.
        """
        if not self.may_wait(LONGEST_OPTIONAL_CALL):
            self.skip(subject, Reason.NO_TIME_LEFT, "no request: the time left is for increases")
            return None
        return self.attempt(subject, doing, call, *args, **kwargs)

    def once(self, key: Hashable, read: Callable[[], T]) -> T:
        """Return the result of `read`, which is called once in a run and not for each group."""
        if key not in self._answers:
            self._answers[key] = read()
        answer: T = self._answers[key]
        return answer

    def is_foreign(self, alarm: str, region: str, account: str) -> bool:
        """Tell whether an event's alarm is of another account or Region, and report it.

        region, account: "" if the event does not have them.
        """
        if region not in ("", self.aws.region):
            why = f"the alarm is in {region}, this is {self.aws.region}"
        elif account and account != self.aws.account:
            why = f"the alarm is of account {account}, not ours"
        else:
            return False
        self.skip(alarm, Reason.FOREIGN, why)
        return True
