"""One invocation (`Run`) and its result (`Report`)."""

import math
import threading
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, ParamSpec, TypeVar

from chalicelib.aws.client import Aws
from chalicelib.config.policy import Policy
from chalicelib.config.rules import Config
from chalicelib.core import plan
from chalicelib.core.healing import HealingDecision
from chalicelib.core.modes import ModeDecision
from chalicelib.core.money import Spending
from chalicelib.core.notices import Notice
from chalicelib.core.observation import Observation
from chalicelib.model import Action, Alarm, Decision, Reason, Skip, StandBy, Target

P = ParamSpec("P")
T = TypeVar("T")

#: A run begins nothing new when less than this is left, or less than this share of its time.
LAST_SECONDS, LAST_SHARE = 2.0, 0.1
#: The same where runs share the limits of AWS: a call may be throttled, and repeated some times.
SHARED_LAST_SECONDS = 8.0
#: So much of the time is kept for increases while an answer is awaited.
ACTING_SECONDS, ACTING_SHARE = 10.0, 0.4
#: One read takes no more than this part of the time that is left: others follow.
READS = 5
#: A read that only decreases wait for may take this times as long: workers read the history at the
#: same time, and GetMetricData throttles them.
OF_DECREASES = 2
#: Seconds. A read that would have less is not begun.
SHORTEST_READ = 0.1
#: PutMetricAlarm: calls a second and Region, by default. Source: CloudWatch service quotas,
#: L-0720E68F, read 2026-11.
ALARM_WRITES_PER_SECOND = 3


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

    observations: the targets whose state may cause a notification; in a dry run all.
    instance_alarms: the alarms of failed instances, by instance. at_limit: the tables whose
    increase a quota refused. notified: the notices that were delivered. sweep: what a sweep read,
    None if it could not read the alarms. unreached: the tables for which no time was left.
    handed_over: how many tables workers check instead. standing_by: what a sweep has for
    Application Auto Scaling, when all else is done. stage: what all managed tables cost this month,
    where a sweep has added it up for the stage's budget.
    """

    decisions: list[Decision] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    planned: list[Action] = field(default_factory=list)
    done: list[Action] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    healing_decisions: list[HealingDecision] = field(default_factory=list)
    mode_decisions: list[ModeDecision] = field(default_factory=list)
    at_limit: list[str] = field(default_factory=list)
    observations: dict[Target, Observation] = field(default_factory=dict)
    instance_alarms: dict[str, Alarm] = field(default_factory=dict)
    notified: list[Notice] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    handed_over: int = 0
    standing_by: Sequence[StandBy] = ()
    sweep: Sweep | None = None
    stage: Spending | None = None

    @property
    def spending(self) -> list[Spending]:
        """Return what each table with a budget, and the stage, costs this month."""
        found = {one.of: one for o in self.observations.values() for one in o.spending}
        return list(found.values())

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
    still run. write: logs what is new in the report. side_by_side: how many runs like this one
    share the rate of alarm writes. approved: the identities of the only actions that may be done,
    because an operator has seen them; None allows all.
    """

    aws: Aws
    config: Config
    now: datetime
    dry_run: bool = False
    seconds_left: Callable[[], float] = lambda: math.inf
    report: Report = field(default_factory=Report)
    write: Callable[[Report], None] = lambda _: None
    approved: Collection[Hashable] | None = None
    side_by_side: int = 1
    length: float = field(init=False)
    _answers: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)
    _written_at: float = field(default=0.0, init=False, repr=False)
    _has_written: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        """Keep how long the whole run may take."""
        self.length = self.seconds_left()

    def policy(self, target: Target) -> Policy:
        """Return the settings of a managed target. Raises LookupError for any other."""
        policy = self.config.policy_for(target)
        if policy is None:
            raise LookupError(f"{target} is not managed")
        return policy

    def allows(self, actions: Iterable[Action]) -> bool:
        """Tell whether actions may be done: each one is approved, or all are."""
        approved = self.approved
        return approved is None or all(plan.identity(action) in approved for action in actions)

    def log(self) -> None:
        """Log what was done so far: a run that is stopped has logged it."""
        self.write(self.report)

    def has_time(self, seconds: float = 0.0) -> bool:
        """Tell whether there is time for something that takes so many seconds."""
        return self.seconds_left() > self._last + seconds

    def may_wait(self, seconds: float) -> bool:
        """Tell whether there is time to wait so many seconds for an answer, and to act then."""
        return self.seconds_left() > seconds + self._to_act

    @property
    def may_hand_over(self) -> bool:
        """Tell whether others may do this run's work. A dry run shows its decisions itself."""
        return bool(self.aws.group_queue) and not self.dry_run

    @property
    def read_timeout(self) -> float:
        """Return how many seconds a read may take. What is left after it is for increases."""
        return min((self.seconds_left() - self._to_act) / READS, threading.TIMEOUT_MAX)

    @property
    def acting_timeout(self) -> float:
        """Return how many seconds increases may take. What is left after it is for the log."""
        left = self.seconds_left()
        return min(max(left - self._last, left / 2), threading.TIMEOUT_MAX)

    @property
    def _last(self) -> float:
        last = LAST_SECONDS if self.side_by_side == 1 else SHARED_LAST_SECONDS
        return min(last, self.length * LAST_SHARE)

    @property
    def _to_act(self) -> float:
        return min(ACTING_SECONDS, self.length * ACTING_SHARE)

    def pace_alarm_write(self) -> None:
        """Wait until CloudWatch takes one more PutMetricAlarm of this run."""
        left, pause = self.seconds_left(), self.side_by_side / ALARM_WRITES_PER_SECOND
        since = self._written_at - left if math.isfinite(left) else 0.0
        if since < pause and self._has_written:
            self.aws.sleep(pause - max(since, 0.0))
        self._written_at, self._has_written = self.seconds_left(), True

    def skip(self, subject: str, reason: Reason, detail: str) -> None:
        """Report that something was checked and left as it is."""
        self.report.skips.append(Skip(subject, reason, detail))

    def skip_for_time(self, subject: str) -> None:
        """Report that no time was left for a subject."""
        self.skip(
            subject, Reason.NO_TIME_LEFT, "no time left in this run; the next one looks again"
        )

    def leave(self, table: str) -> None:
        """Report a table that this run does not reach. The container's next run begins with it."""
        self.aws.unreached.add(table)
        self.report.unreached.append(table)
        self.skip_for_time(table)

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

    def read(
        self, subject: str, doing: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Do the same for a read; None also where no answer comes in time.

        No increase waits for an answer for ever: a service that is silent uses up a part of the
        time only.
        """
        return self.read_within(self.read_timeout, subject, doing, call, *args, **kwargs)

    def read_within(
        self,
        seconds: float,
        subject: str,
        doing: str,
        call: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T | None:
        """Do the same for a read that may take so many seconds."""
        if seconds < SHORTEST_READ:
            self.skip(subject, Reason.NO_TIME_LEFT, "no request: the time left is for increases")
            return None
        return self.attempt(
            subject,
            doing,
            self.aws.threads.within,
            min(seconds, threading.TIMEOUT_MAX),
            partial(call, *args, **kwargs),
        )

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
        elif account and account != self._own_account(account):
            why = f"the alarm is of account {account}, not ours"
        else:
            return False
        self.skip(alarm, Reason.FOREIGN, why)
        return True

    def _own_account(self, otherwise: str) -> str:
        """Return the own account; `otherwise` where AWS does not tell it."""
        account = self.read("the account", "GetCallerIdentity", lambda: self.aws.account)
        return otherwise if account is None else account
