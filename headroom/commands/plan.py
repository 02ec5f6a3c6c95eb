"""`status`, `plan` and `apply`: what is, what the next pass would do, and do it.

All three are one sweep over the tables: the same reconcile path as in production. `status` and
`plan` run it as a dry run.
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NoReturn

import boto3
import typer
from rich import box
from rich.table import Table

from chalicelib import handlers
from chalicelib.aws.client import Aws, AwsError
from chalicelib.aws.tables import table_names
from chalicelib.config.mistakes import nearest
from chalicelib.config.rules import Config
from chalicelib.core.explain import sentence
from chalicelib.core.notices import HELD
from chalicelib.core.observation import Observation
from chalicelib.core.plan import identity
from chalicelib.model import Action, Decision, Target
from chalicelib.run import Report, Run
from headroom.commands import wording
from headroom.commands.console import app, console, errors, print_json, print_line
from headroom.commands.demand_source import PricesOption
from headroom.commands.everywhere import LONG_SECONDS, everywhere, print_places, print_problems
from headroom.commands.options import (
    ConfigOption,
    JsonOption,
    OfStageOption,
    TablesOption,
    TopicOption,
    VerboseOption,
    YesOption,
    configuration_file,
    in_account,
    rules_of,
    topic_of,
)
from headroom.commands.wording import Place
from headroom.deploy.account import check_credentials, describe_error
from headroom.deploy.places import AwsPlace, ask_all
from headroom.simulation import pricing
from headroom.simulation.goals import GoalCheck, check_goals
from headroom.tables import number_table

#: So long the facts of a plan are good enough to act on. CloudWatch shows a minute's metrics after
#: one to three minutes anyway.
GOOD_FOR = timedelta(minutes=5)
#: The newest minutes whose mean is shown as used.
USED_MINUTES = 5
#: The headings of `status`.
STATUS = ("target", "units", "used", "decreases\nleft", "USD a\nmonth", "state")


@dataclass(frozen=True)
class Pass:
    """One pass over the tables that a glob matches: planned, or done."""

    aws: Aws
    config: Config
    file: Path
    glob: str

    def sweep(self, now: datetime, approved: Collection[Hashable] | None = None) -> Report:
        """Sweep: plan only, or do the approved actions."""
        run = Run(self.aws, self.config, now, dry_run=approved is None, approved=approved)
        concerns: Callable[[str], bool] | None = None
        if self.glob != "*":
            concerns = self._matches
        handlers.sweep(run, alone=True, concerns=concerns)
        handlers.notify(run)
        return run.report

    def place(self, now: datetime) -> Place:
        return Place.of(Run(self.aws, self.config, now), self.file)

    def _matches(self, name: str) -> bool:
        return fnmatchcase(name, self.glob)

    def note(self, prices: pricing.Prices) -> str:
        """Return whose prices are used, where they are those of another Region."""
        is_same = prices.region == self.aws.region
        return "" if is_same else f" Prices of {prices.region}; --prices FILE takes others."

    def nothing_found(self) -> str:
        """Return why a pass found no table."""
        names = table_names(self.aws)
        found = [name for name in names if self._matches(name)]
        if not found:
            return f"no table matches {self.glob}{nearest(self.glob, names)}"
        managed = [name for name in found if self.config.manages(name)]
        if managed:
            return f"no table of {wording.listed(managed)} can be scaled"
        return f"no rule of the configuration names {wording.listed(found)}"


def make_pass(glob: str, config_file: Path | None, stage: str | None, topic: str | None) -> Pass:
    """Return a pass over tables of this account, with the configuration and topic that count."""
    file = configuration_file(config_file, stage)
    config = rules_of(file)
    check_credentials()
    return Pass(Aws(topic_of(topic, stage)), config, file, glob)


def _status_everywhere(
    places: Sequence[AwsPlace],
    table: str = "*",
    config_file: Path | None = None,
    stage: str | None = None,
    topic: str | None = None,
    as_json: bool = False,
) -> None:
    file, name, now = (
        configuration_file(config_file, stage),
        topic_of(topic, stage),
        datetime.now(UTC),
    )
    config, prices = rules_of(file), pricing.load()

    def read(there: boto3.Session) -> tuple[dict[str, object], Report]:
        chosen = Pass(Aws(name, session=there), config, file, table)
        report = chosen.sweep(now)
        return status_data(chosen.place(now), report, prices), report

    answers = ask_all(places, read, LONG_SECONDS)
    if as_json:
        found = [a.value[0] if a.value else {"problem": a.problem} for a in answers]
        print_json([{"place": a.place, **data} for a, data in zip(answers, found, strict=True)])
    else:
        headings = ("place", *STATUS)
        rows = [
            (answer.place, *row)
            for answer in answers
            for row in (_status_rows(answer.value[1], prices) if answer.value else [])
        ]
        print_places(headings, rows)
    is_incomplete = print_problems(answers) if not as_json else any(a.problem for a in answers)
    reports = [answer.value[1] for answer in answers if answer.value]
    failed = any(report.failures for report in reports)
    is_empty = not any(report.decisions for report in reports)
    raise typer.Exit(1 if is_incomplete or failed or is_empty else 0)


@app.command(epilog="Example: headroom status --stage prod --regions eu-west-1,us-east-1")
@everywhere(_status_everywhere)
def status(
    table: TablesOption = "*",
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    topic: TopicOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every managed table: use, units, state, budget, cost."""
    chosen, now, prices = (
        make_pass(table, config_file, stage, topic),
        datetime.now(UTC),
        pricing.load(),
    )
    report = chosen.sweep(now)
    place, goals = chosen.place(now), _goals(chosen, report, now)
    if as_json:
        found = [asdict(one) | {"target": str(one.target)} for one in goals]
        print_json({**status_data(place, report, prices), "goals": found})
    else:
        _print_status(place, report, prices)
        _print_goals(goals)
        if not report.decisions:
            print_line(chosen.nothing_found())
    raise typer.Exit(0 if report.decisions and not report.failures else 1)


def _goals(chosen: Pass, report: Report, now: datetime) -> list[GoalCheck]:
    """Compare what was throttled with the goals of the configuration, of the targets shown."""
    policies = {d.target: chosen.config.policy_for(d.target) for d in report.decisions}
    try:
        return check_goals(chosen.aws, {t: p for t, p in policies.items() if p}, now)
    except AwsError as error:
        errors.print(f"the goals are not compared: {describe_error(error)}", markup=False)
        return []


def _print_goals(goals: Sequence[GoalCheck]) -> None:
    if goals:
        met = sum(one.is_met for one in goals)
        print_line(f"{met} of {len(goals)} targets meet their goal_throttled_ppm.")
    for one in goals:
        if not one.is_met:
            print_line(f"{one.problem}. {one.remedy}")


def status_data(place: Place, report: Report, prices: pricing.Prices) -> dict[str, object]:
    """Return the status for `--json` and the console.

    used: percent of the units, by target. in_alarm: the targets whose alarm is in ALARM.
    """
    return {
        **wording.report_data(place, report, prices),
        "used": {str(target): share for target, share in _shares(report).items()},
        "in_alarm": sorted(_in_alarm(report)),
    }


def plan_data(report: Report, prices: pricing.Prices) -> dict[str, object]:
    """Return in words what a pass would do, or did: its changes with their reasons, and the sum."""
    changes = [decision for decision in report.decisions if decision.changes]
    return {
        "changes": [
            {"text": wording.change(d, prices), "why": wording.reason_of(d), "dry_run": d.dry_run}
            for d in changes
        ],
        "alarms": wording.alarm_changes(report.planned, would=True),
        "sum": _sum(report.decisions, prices),
        "actions": len(report.planned),
    }


def _shares(report: Report) -> dict[Target, float | None]:
    return {target: _used(observation) for target, observation in report.observations.items()}


def _used(observation: Observation) -> float | None:
    """Return the mean use of the newest minutes, in percent of the units; None if unknown."""
    newest = observation.metrics.consumed.known()[-USED_MINUTES:]
    if not newest or not observation.provisioned:
        return None
    return round(100 * sum(newest) / len(newest) / observation.provisioned, 1)


def _print_status(place: Place, report: Report, prices: pricing.Prices) -> None:
    print_line(f"Status of {place}")
    wording.print_dry_run(report.decisions)
    if report.decisions:
        console.print(_status_table(report, prices))
        total = sum(wording.monthly(decision, prices) for decision in report.decisions)
        print_line(f"Together {wording.dollars(total)} USD a month, provisioned.")
    wording.print_budgets(report.spending, place.at)
    wording.print_rest(report)


def _status_table(report: Report, prices: pricing.Prices) -> Table:
    rows = _status_rows(report, prices)
    table = number_table("", STATUS, rows, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.columns[0].overflow, table.columns[-1].justify = "fold", "left"
    return table


def _status_rows(report: Report, prices: pricing.Prices) -> Iterator[tuple[str, ...]]:
    hot, used = _in_alarm(report), _shares(report)
    for decision in sorted(report.decisions, key=lambda decision: decision.target):
        share = used.get(decision.target)
        state = "in ALARM, " if str(decision.target) in hot else ""
        yield (
            str(decision.target),
            f"{decision.current:,}",
            "–" if share is None else f"{share:.0f} %",
            str(decision.numbers.get("decreases_left", "–")),
            wording.dollars(wording.monthly(decision, prices)),
            state + _state(decision),
        )


def _state(decision: Decision) -> str:
    mode = "DRY RUN, " if decision.dry_run else ""
    move = f"→ {decision.desired:,}, " if decision.changes else ""
    return f"{mode}{move}{decision.reason}"


def _in_alarm(report: Report) -> set[str]:
    """Return the targets whose alarm of Headroom's own is in ALARM."""
    alarms = report.sweep.alarms if report.sweep else []
    return {
        alarm.name.partition("-")[2]
        for alarm in alarms
        if alarm.fields.get("StateValue") == "ALARM"
    }


@app.command(epilog="Example: headroom plan --stage prod --table 'orders-*'")
@in_account
def plan(
    table: TablesOption = "*",
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    topic: TopicOption = None,
    price_file: PricesOption = pricing.FILE,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what the next pass would do, with its money and budget."""
    prices = pricing.load(price_file)
    chosen, now = make_pass(table, config_file, stage, topic), datetime.now(UTC)
    report = chosen.sweep(now)
    if as_json:
        print_json(wording.report_data(chosen.place(now), report, prices))
    else:
        _print_plan(chosen, now, report, prices, verbose)
    raise typer.Exit(0 if _is_good(report) else 1)


def _is_good(report: Report) -> bool:
    return bool(report.decisions or report.planned) and not report.failures


@app.command(epilog="Example: headroom apply --stage prod --table orders")
@in_account
def apply(
    table: TablesOption = "*",
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    topic: TopicOption = None,
    price_file: PricesOption = pricing.FILE,
    yes: YesOption = False,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the plan, ask, and do exactly that.

    What has changed meanwhile is left, and named. Ends with 1 if not everything was done.
    """
    prices, chosen = pricing.load(price_file), make_pass(table, config_file, stage, topic)
    if as_json:
        if not yes:
            raise typer.BadParameter("--json asks nothing: give --yes with it")
        _apply_as_json(chosen, prices)
    while True:
        now = datetime.now(UTC)
        planned = chosen.sweep(now)
        _print_plan(chosen, now, planned, prices, verbose)
        if not planned.planned:
            raise typer.Exit(0 if _is_good(planned) else 1)
        if not yes and not typer.confirm("Do this?"):
            print_line("Nothing was done.")
            raise typer.Exit(1)
        if yes or datetime.now(UTC) - now <= GOOD_FOR:
            break
        print_line("The plan is more than five minutes old. This is the plan of now:")
    _print_done(_done(chosen, now, planned), planned, prices)


def _done(chosen: Pass, now: datetime, planned: Report) -> Report:
    """Do what is planned, and nothing else."""
    return chosen.sweep(now, approved={identity(action) for action in planned.planned})


def _left(done: Report, planned: Report) -> list[Action]:
    """Return the planned actions that were not done."""
    made = {identity(action) for action in done.done}
    return [action for action in planned.planned if identity(action) not in made]


def _apply_as_json(chosen: Pass, prices: pricing.Prices) -> NoReturn:
    """Do the plan, and print it with what was done. done is null where nothing was planned."""
    now = datetime.now(UTC)
    planned, place = chosen.sweep(now), chosen.place(now)
    plan = wording.report_data(place, planned, prices)
    if not planned.planned:
        print_json({"plan": plan, "done": None, "not_done": []})
        raise typer.Exit(0 if _is_good(planned) else 1)
    done = _done(chosen, now, planned)
    left = _left(done, planned)
    print_json(
        {
            "plan": plan,
            "done": wording.report_data(place, done, prices),
            "not_done": [sentence(action, would=True) for action in left],
        }
    )
    raise typer.Exit(1 if left or done.failures else 0)


def _print_plan(
    chosen: Pass, now: datetime, report: Report, prices: pricing.Prices, verbose: bool
) -> None:
    print_line(f"Plan for {chosen.place(now)}")
    wording.print_dry_run(report.decisions)
    wording.print_changes(report.decisions, prices, verbose=verbose)
    wording.print_healing(report)
    wording.print_modes(report)
    wording.print_actions(report, dry_run=True)
    for action in report.planned if verbose else []:
        print_line(f"  {sentence(action, would=True)}")
    if report.decisions:
        print_line(f"{_sum(report.decisions, prices)}{chosen.note(prices)}")
    else:
        print_line(chosen.nothing_found())
    wording.print_budgets(report.spending, now)
    wording.print_rest(report)


def _sum(decisions: list[Decision], prices: pricing.Prices) -> str:
    live = [decision for decision in decisions if not decision.dry_run]
    raised = sum(decision.desired > decision.current for decision in live)
    lowered = sum(decision.desired < decision.current for decision in live)
    only_logged = sum(decision.changes and decision.dry_run for decision in decisions)
    counts = [f"{raised} raised", f"{lowered} lowered"]
    counts += [f"{only_logged} only logged (dry_run)"] if only_logged else []
    counts += [f"{len(decisions) - raised - lowered - only_logged} stay"]
    paused = sum(decision.reason in HELD for decision in decisions)
    counts += [f"{paused} of them paused"] if paused else []
    saved = sum(wording.saving(decision, prices) for decision in live)
    money = f" Together: {wording.money(saved)}." if raised + lowered else ""
    return f"{', '.join(counts)}.{money}"


def _print_done(done: Report, planned: Report, prices: pricing.Prices) -> None:
    """Print what was done and what was not. Exit with 1 if something was not."""
    for decision in done.decisions:
        if decision.changes and not decision.dry_run:
            print_line(wording.change(decision, prices, done=True))
    wording.print_actions(done, dry_run=False)
    known = [(skip.subject, skip.reason) for skip in planned.skips]
    done.skips[:] = [skip for skip in done.skips if (skip.subject, skip.reason) not in known]
    wording.print_rest(done)
    left = _left(done, planned)
    if left:
        print_line(f"{len(left)} of {len(planned.planned)} actions were not done.")
    raise typer.Exit(1 if left or done.failures else 0)
