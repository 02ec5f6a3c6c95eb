"""Circuit breakers: before a change, Headroom asks a service of the operator for permission.

It sends GET with the table's name as the header `x-table-name` and an index's as `x-gsi-name`. An
answer 2xx allows the change. Any other answer holds everything of that table or index. No answer
holds decreases and allows increases.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from urllib.request import Request

from msgspec import structs

from chalicelib.aws.client import Aws
from chalicelib.core.observation import Observation
from chalicelib.model import BOTH, DOWN, Hold, Reason, Skip, Target
from chalicelib.run import Run

#: Requests at the same time. They wait for another server, and need little memory or processor.
PARALLEL = 32
#: Headroom waits so much longer than a socket's timeout: then the socket can report its error.
GRACE_SECONDS = 0.5
#: After so many requests without an answer, a URL gets no more requests in this run.
GIVEN_UP_AFTER = 3
#: A warning names at most so many tables and indexes.
NAMED = 5

#: The parts of a URL that must not be logged: user and password, and everything after the path.
SECRET = re.compile(r"(?<=//)[^/?#]*@|[?#].*")

#: The status of an answer, or why there was none.
Answer = int | OSError
TOO_LATE: Answer = OSError("no request: the time that is left is for increases")


@dataclass(frozen=True, slots=True, order=True)
class Question:
    """A request about a table, or about one of its indexes. seconds: how long to wait."""

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


def question(observation: Observation) -> Question | None:
    """Return what to ask before a target is changed, None where no breaker is set."""
    target, policy = observation.target, observation.policy
    url, seconds = policy.circuit_breaker_url, policy.circuit_breaker_seconds
    return Question(url, target.table, target.index, seconds) if url else None


def questions(observations: Iterable[Observation]) -> set[Question]:
    """Return what to ask before these targets are changed."""
    return {one for one in map(question, observations) if one is not None}


def holds(
    run: Run, observations: Mapping[Target, Observation], asking: Collection[Question]
) -> dict[Target, Observation]:
    """Ask all questions at once; return the observations that an answer holds, with that hold.

    The report has each URL that did not answer, once.
    """
    answers: dict[Question, Hold | None] = run.once("circuit breakers", dict)
    new = [one for one in asking if one not in answers]
    if new:
        answers |= _ask(run, new)
    held: dict[Target, Observation] = {}
    for target, observation in observations.items():
        one = question(observation)
        hold = answers[one] if one and one in asking else None
        if hold:
            held[target] = structs.replace(observation, holds=(*observation.holds, hold))
    return held


def _ask(run: Run, asking: Collection[Question]) -> dict[Question, Hold | None]:
    silences: Counter[str] = run.once("silent circuit breakers", Counter)
    ordered, seconds = sorted(asking), max(one.seconds for one in asking)
    if run.may_wait(seconds):
        answers = _answers(run.aws, silences, ordered, seconds)
    else:
        answers = dict.fromkeys(ordered, TOO_LATE)
    run.report.skips += _unanswered(answers)
    return {one: judge(one, answer) for one, answer in answers.items()}


def _answers(
    aws: Aws, silences: Counter[str], questions: Sequence[Question], seconds: float
) -> dict[Question, Answer]:
    """Return the answers that come within so many seconds altogether.

    A socket's timeout alone does not limit this: it starts again with each part of an answer.
    """
    pool = ThreadPoolExecutor(max_workers=PARALLEL)
    futures = {one: pool.submit(_answer, aws, silences, one) for one in questions}
    wait(futures.values(), seconds + GRACE_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    done = {one: f for one, f in futures.items() if f.done() and not f.cancelled()}
    answers: dict[Question, Answer] = {one: future.result() for one, future in done.items()}
    late = [one for one in questions if one not in answers]
    silences.update(one.url for one in late)
    return answers | dict.fromkeys(late, OSError(f"no answer within {seconds:g} s"))


def judge(question: Question, answer: Answer) -> Hold | None:
    """Return the hold of an answer, or of none."""
    if isinstance(answer, OSError):
        return Hold(Reason.CIRCUIT_UNKNOWN, f"no answer from {question.place}: {answer}", DOWN)
    if not 200 <= answer < 300:
        return Hold(Reason.CIRCUIT_OPEN, f"{question.place} answered {answer}", BOTH)
    return None


def _answer(aws: Aws, silences: Counter[str], question: Question) -> Answer:
    if silences[question.url] >= GIVEN_UP_AFTER:
        return OSError(f"no request: {GIVEN_UP_AFTER} others had no answer")
    headers = {"User-Agent": "headroom", "x-table-name": question.table}
    headers |= {"x-gsi-name": question.index} if question.index else {}
    try:
        # the configuration allows only http and https
        request = Request(question.url, headers=headers)  # noqa: S310
        return aws.http(request, question.seconds)
    except Exception as error:  # noqa: BLE001  every failure means: no answer
        silences[question.url] += 1
        return OSError(str(getattr(error, "reason", error)) or type(error).__name__)


def _unanswered(answers: Mapping[Question, Answer]) -> Iterator[Skip]:
    by_url: dict[str, list[Question]] = {}
    for question, answer in answers.items():
        if isinstance(answer, OSError):
            by_url.setdefault(question.url, []).append(question)
    for silent in by_url.values():
        first, more = silent[0], len(silent) - NAMED
        names = ", ".join(one.owner for one in silent[:NAMED])
        names += f" and {more} more" if more > 0 else ""
        why = f"no answer about {names} ({answers[first]}): decreases wait, increases go on"
        yield Skip(f"circuit breaker {first.place}", Reason.CIRCUIT_UNKNOWN, why)
