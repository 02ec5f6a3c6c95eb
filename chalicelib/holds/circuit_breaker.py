"""Circuit breakers: before something is changed, a service of the operator's is asked whether it
may be.

GET, with the table's name as the header `x-table-name` and an index's as `x-gsi-name`. 2xx lets the
change go on; any other answer holds everything of that table or index. No answer holds decreases
and lets increases go on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.request import Request

from chalicelib.aws.client import Aws
from chalicelib.config.policy import Policy
from chalicelib.core.observation import Observation
from chalicelib.model import BOTH, DOWN, Decision, Hold, Reason, Skip, Target
from chalicelib.run import Report, Shell

PARALLEL = 32
"""Questions under way at once: they wait for somebody else's server, and need neither memory nor
processor."""
GRACE_SECONDS = 0.5
"""So much longer than a socket's timeout is waited for, so that it can tell what was wrong."""
GIVEN_UP_AFTER = 3
"""So often without an answer, and a URL is not asked again in this run, which has other tables to
serve."""
NAMED = 5
"""So many tables and indexes are named in a warning."""

SECRET = re.compile(r"(?<=//)[^/?#]*@|[?#].*")
"""What a URL may hold that is not for the log: user and password, and all that stands behind the
path."""

Answer = int | OSError
"""The status of an answer, or why there was none."""
TOO_LATE: Answer = OSError("not asked: the time that is left is for what is to be raised")


@dataclass(frozen=True, slots=True, order=True)
class Question:
    """What is asked where: about a table, or an index of it. seconds: how long to wait."""

    url: str
    table: str
    index: str
    seconds: float

    @property
    def owner(self) -> str:
        """Return `table`, or `table/index`."""
        return f"{self.table}/{self.index}" if self.index else self.table

    @property
    def place(self) -> str:
        """Return the URL as it may be shown: without what may be secret."""
        return SECRET.sub("", self.url)


def question(target: Target, policy: Policy) -> Question | None:
    """Return what is to be asked before a target is changed, None where no breaker is set."""
    url = policy.circuit_breaker_url
    return (
        Question(url, target.table, target.index, policy.circuit_breaker_seconds) if url else None
    )


def questions(
    decisions: Iterable[Decision], policy_of: Callable[[Target], Policy]
) -> set[Question]:
    """Return what is to be asked before the decisions that change something are done."""
    found = {question(d.target, policy_of(d.target)) for d in decisions if d.changes}
    return {one for one in found if one is not None}


def holds(
    shell: Shell,
    report: Report,
    observed: Mapping[Target, Observation],
    asking: Collection[Question],
    now: datetime,
) -> dict[Target, Observation]:
    """Ask all at once, and return the observations of the targets that the answers hold, with that.

    What is not answered stands in the report, once for each URL.
    """
    found = _ask(shell, report, asking, now) if asking else {}
    about = {
        target: found.get(one)
        for target in observed
        if (one := question(target, shell.policy(target)))
    }
    return {
        t: replace(observed[t], holds=(*observed[t].holds, hold))
        for t, hold in about.items()
        if hold
    }


def _ask(
    shell: Shell, report: Report, asking: Collection[Question], now: datetime
) -> dict[Question, Hold]:
    silences: Counter[str] = shell.once("silent circuit breakers", now, Counter)
    asked, seconds = sorted(asking), max(one.seconds for one in asking)
    answers = (
        _answers(shell.aws, silences, asked, seconds)
        if shell.may_wait(seconds)
        else dict.fromkeys(asked, TOO_LATE)
    )
    report.skips += _unanswered(answers)
    return {one: hold for one, answer in answers.items() for hold in [judge(one, answer)] if hold}


def _answers(
    aws: Aws, silences: Counter[str], asked: Sequence[Question], seconds: float
) -> dict[Question, Answer]:
    """Return the answers that come within so many seconds altogether: a socket's timeout begins
    anew with each part of one."""
    pool = ThreadPoolExecutor(max_workers=PARALLEL)
    futures = {one: pool.submit(_answer, aws, silences, one) for one in asked}
    wait(futures.values(), seconds + GRACE_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    answers: dict[Question, Answer] = {
        one: future.result() for one, future in futures.items() if _is_answered(future)
    }
    late = [one for one in asked if one not in answers]
    silences.update(one.url for one in late)
    return answers | dict.fromkeys(late, OSError(f"no answer within {seconds:g} s"))


def _is_answered(future: Future[Answer]) -> bool:
    return future.done() and not future.cancelled()


def judge(asked: Question, answer: Answer) -> Hold | None:
    """Return what an answer, or none, holds."""
    if isinstance(answer, OSError):
        return Hold(Reason.CIRCUIT_UNKNOWN, f"no answer from {asked.place}: {answer}", DOWN)
    if not 200 <= answer < 300:
        return Hold(Reason.CIRCUIT_OPEN, f"{asked.place} answered {answer}", BOTH)
    return None


def _answer(aws: Aws, silences: Counter[str], asked: Question) -> Answer:
    if silences[asked.url] >= GIVEN_UP_AFTER:
        return OSError(f"{GIVEN_UP_AFTER} others were not answered, so it was not asked")
    headers = {"User-Agent": "headroom", "x-table-name": asked.table} | (
        {"x-gsi-name": asked.index} if asked.index else {}
    )
    try:
        # the configuration takes http and https alone
        request = Request(asked.url, headers=headers)  # noqa: S310
        return aws.http(request, asked.seconds)
    except Exception as error:  # noqa: BLE001  whatever it is, it is no answer
        silences[asked.url] += 1
        return OSError(str(getattr(error, "reason", error)) or type(error).__name__)


def _unanswered(answers: Mapping[Question, Answer]) -> Iterator[Skip]:
    silent: dict[str, list[Question]] = {}
    for asked, answer in answers.items():
        if isinstance(answer, OSError):
            silent.setdefault(asked.url, []).append(asked)
    for about in silent.values():
        first, more = about[0], len(about) - NAMED
        names = ", ".join(asked.owner for asked in about[:NAMED]) + (
            f" and {more} more" if more > 0 else ""
        )
        why = f"no answer about {names} ({answers[first]}): decreases are held, increases go on"
        yield Skip(f"circuit breaker {first.place}", Reason.CIRCUIT_UNKNOWN, why)
