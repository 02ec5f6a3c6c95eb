"""The console: its files, what it answers, and what it may do."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from chalicelib import events
from chalicelib.aws.metrics import IncompleteError
from chalicelib.core.explain import sentence
from chalicelib.core.plan import identity
from chalicelib.model import Decision, Dimension, Target
from chalicelib.run import Report, Run
from headroom.chart import data as chart
from headroom.commands import plan, wording
from headroom.commands.console import EXPECTED_ERRORS
from headroom.commands.invoke import handle
from headroom.console.data import Account
from headroom.console.server import Answer, RefusedError, Server
from headroom.demo import staging
from headroom.deploy.account import describe_error

FOLDER = Path(__file__).parent
#: The hours that the chart of an account begins with, and the most that it may have.
HOURS, MOST_HOURS = 24, 14 * 24


@dataclass
class Site:
    """The console of an account. writes: whether it may change something there."""

    account: Account
    writes: bool
    #: The number of the newest plan, its time, and the actions that it showed.
    plan_number: int = field(default=0, init=False)
    planned: tuple[datetime, frozenset[Hashable]] | None = field(default=None, init=False)

    kind = "account"

    def reads(self) -> dict[str, Answer]:
        return {"api/overview": lambda _: self.overview(), "api/target": self.target}

    def acts(self) -> dict[str, Answer]:
        return {"api/message": self.message, "api/apply": self.apply}

    def overview(self) -> dict[str, object]:
        """Return the tables and the plan. The actions of this plan are those that `apply` does."""
        data, report = self.account.overview()
        self.plan_number += 1
        actions = frozenset(identity(action) for action in report.planned)
        self.planned = self.account.clock(), actions
        return {**data, "plan_number": self.plan_number, "kind": self.kind, "writes": self.writes}

    def target(self, given: Mapping[str, object]) -> dict[str, object]:
        hours = min(int(str(given.get("hours", HOURS))), MOST_HOURS)
        span = timedelta(hours=hours)
        start = self.account.clock().replace(second=0, microsecond=0) - span
        return self.account.target(target_of(given), start, span)

    def apply(self, given: Mapping[str, object]) -> dict[str, object]:
        """Do what the plan showed, and nothing else, as `headroom apply` does."""
        self._check_writes()
        now = self.account.clock()
        if self.planned is None or given.get("plan_number") != self.plan_number:
            raise RefusedError(HTTPStatus.CONFLICT, "this is not the newest plan; read it again")
        at, approved = self.planned
        if now - at > plan.GOOD_FOR:
            raise RefusedError(HTTPStatus.CONFLICT, "the plan is more than five minutes old")
        report = self.account.tables.sweep(now, approved=approved)
        return {
            "done": [sentence(action) for action in report.done],
            "left": _left(report, approved),
        }

    def message(self, given: Mapping[str, object]) -> dict[str, object]:
        """Pass a message to the handler, as `headroom invoke --account` does."""
        text, dry_run = text_of(given), bool(given.get("dry_run", True))
        if not dry_run:
            self._check_writes()
        run = Run(
            self.account.tables.aws, self.account.tables.config, self.account.clock(), dry_run
        )
        for message in staging.messages(text):
            handle(run, events.from_text(message))
        return answer_of(run.report, dry_run, [])

    def _check_writes(self) -> None:
        if not self.writes:
            raise RefusedError(
                HTTPStatus.FORBIDDEN,
                "this console only reads; start it with --write to change things",
            )


def _left(report: Report, approved: frozenset[Hashable]) -> list[str]:
    """Return what was not done, and why."""
    count = len(approved - {identity(action) for action in report.done})
    failed = [str(failure) for failure in report.failures]
    return [*failed, *([f"{count} of {len(approved)} actions were not done."] if count else [])]


def answer_of(report: Report, dry_run: bool, staged: list[str]) -> dict[str, object]:
    """Return what became of a message, in the words of `headroom invoke`."""
    actions = report.planned if dry_run else report.done
    lines = [
        *map(_decided, report.decisions),
        *map(sentence, report.healing_decisions),
        *map(sentence, report.mode_decisions),
        *map(sentence, report.skips),
        *(sentence(action, would=dry_run) for action in actions),
        *(str(failure) for failure in report.failures),
    ]
    return {"staged": staged, "lines": lines, "changed": bool(report.done)}


def _decided(decision: Decision) -> str:
    """Return a decision in a sentence, without its numbers."""
    units = f"{decision.current:,}"
    move = f"{units} → {decision.desired:,}" if decision.changes else f"stays at {units}"
    return f"{decision.target} {move} units: {wording.reason_of(decision)}"


def text_of(given: Mapping[str, object]) -> str:
    """Return the message of a request. Raises RefusedError if there is none."""
    text = given.get("text")
    if not isinstance(text, str) or not text.strip():
        raise RefusedError(HTTPStatus.BAD_REQUEST, "there is no message")
    return text


def target_of(given: Mapping[str, object]) -> Target:
    """Return the target that a request names. Raises RefusedError if it names none."""
    dimension = str(given.get("dimension", ""))
    if not given.get("table") or dimension not in list(Dimension):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "table and dimension must name a target")
    return Target(str(given["table"]), str(given.get("index", "")), Dimension(dimension))


def serve(site: Site, port: int = 0) -> Server:
    """Return a server of a console, which does not run yet."""
    return Server(port, _files(), site.reads(), site.acts(), _description)


def _description(error: Exception) -> str | None:
    is_expected = isinstance(error, (*EXPECTED_ERRORS, IncompleteError))
    return describe_error(error) if is_expected else None


def _files() -> dict[str, tuple[str, str]]:
    """Return the files of the page by name, each with its kind."""
    script, style = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
    return {
        "": ("text/html; charset=utf-8", _file("page.html")),
        "icon.svg": ("image/svg+xml", _file("icon.svg")),
        "chart.js": (script, chart.script()),
        "console.js": (script, _file("console.js")),
        "style.css": (style, chart.style() + _file("console.css")),
    }


def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
