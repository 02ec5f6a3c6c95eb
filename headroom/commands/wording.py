"""Decisions in the words of an operator: what changes, what that costs or saves, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

from chalicelib.core import money as budget
from chalicelib.core import warm
from chalicelib.core.budget import FREE_DECREASES_PER_DAY
from chalicelib.core.explain import WHY, numbers, sentence
from chalicelib.core.modes import ModeDecision
from chalicelib.core.money import Spending
from chalicelib.model import (
    Action,
    CreateAlarm,
    Decision,
    DeleteAlarms,
    Heal,
    RewriteAlarm,
    SetMode,
    Skip,
)
from chalicelib.run import Report, Run
from headroom.commands.console import console, print_failure, print_line
from headroom.deploy.account import describe_error
from headroom.simulation import pricing
from headroom.tables import number_table

ORDINALS = ("first", "second", "third", "fourth")
#: So many names a line lists.
MOST_NAMES = 5


@dataclass(frozen=True)
class Place:
    """Where a command looked: for its heading, and for `--json`."""

    account: str
    region: str
    configuration: Path
    at: datetime

    @classmethod
    def of(cls, run: Run, configuration: Path) -> "Place":
        """Return the place of a run. Calls GetCallerIdentity."""
        return cls(run.aws.account, run.aws.region, configuration, run.now)

    def __str__(self) -> str:
        return f"account {self.account}, {self.region}, configuration {self.configuration}"

    def as_data(self) -> dict[str, object]:
        return {
            "account": self.account,
            "region": self.region,
            "configuration": str(self.configuration),
            "at": self.at.isoformat(timespec="seconds"),
        }


def dollars(amount: float) -> str:
    """Return USD without more digits than a reader needs."""
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:,.2f}"


def monthly(decision: Decision, prices: pricing.Prices, units: int | None = None) -> float:
    """Return the USD a month of a decision's present units, or of so many."""
    count = decision.current if units is None else units
    return count * prices.of(decision.target.dimension).unit_hour * pricing.HOURS_A_MONTH


def saving(decision: Decision, prices: pricing.Prices) -> float:
    """Return the USD a month that a decision saves. It is negative for an increase."""
    return monthly(decision, prices) - monthly(decision, prices, decision.desired)


def last_days(count: int) -> str:
    return f"the last {count} days" if count > 1 else "the last day"


def name_of(decision: Decision) -> str:
    return f"{decision.target.owner} {decision.target.dimension}s"


def reason_of(decision: Decision) -> str:
    return f"{WHY[decision.reason]} ({decision.reason})"


def change(decision: Decision, prices: pricing.Prices, done: bool = False) -> str:
    """Return a change in a sentence, with its money and its part of the budget.

    done: whether it was made, unless the policy's dry_run is on.
    """
    is_decrease = decision.desired < decision.current
    is_made = done and not decision.dry_run
    verbs = ("Raised", "Lowered") if is_made else ("Would raise", "Would lower")
    pace = warm.pace(decision)
    parts = [money(saving(decision, prices)), *([pace] if pace else [])]
    if is_decrease:
        parts.append(f"{_ordinal(decision)} of today's decreases")
    mode = ", but dry_run is on" if decision.dry_run else ""
    return (
        f"{verbs[is_decrease]} {name_of(decision)} "
        f"{decision.current:,} → {decision.desired:,} units{mode}: {'; '.join(parts)}"
    )


def print_changes(
    decisions: Iterable[Decision], prices: pricing.Prices, done: bool = False, verbose: bool = False
) -> None:
    """Print the decisions that change something, with their reasons."""
    for decision in decisions:
        if decision.changes:
            print_line(change(decision, prices, done))
            print_line(f"  {reason_of(decision)}")
            if verbose:
                print_line(f"  {numbers(decision.numbers)}")


def money(saved: float) -> str:
    """Return what is saved, or costs more, in words. saved: USD a month."""
    if saved < 0:
        return f"costs {dollars(-saved)} USD a month more"
    return f"saves {dollars(saved)} USD a month"


def _ordinal(decision: Decision) -> str:
    """Return which of the day's decreases this one is. Reads and writes in one call are one."""
    used = decision.numbers.get("decreases_today")
    if not isinstance(used, int):
        return "one"
    return ORDINALS[used] if used < FREE_DECREASES_PER_DAY else f"{used + 1}th"


def print_budgets(spending: Iterable[Spending], now: datetime) -> None:
    """Print each budget in a sentence."""
    for one in spending:
        print_line(f"Budget: {budget.sentence(one, now)}.")


def alarm_changes(actions: Iterable[Action], would: bool = False) -> str:
    """Return how many alarms are made, rewritten and deleted, as `6 made, 3 rewritten`; "" for
    none. would: the actions are only planned."""
    made = rewritten = deleted = 0
    for action in actions:
        made += isinstance(action, CreateAlarm)
        rewritten += isinstance(action, RewriteAlarm)
        deleted += len(action.names) if isinstance(action, DeleteAlarms) else 0
    words = ("to make", "to rewrite", "to delete") if would else ("made", "rewritten", "deleted")
    counts = zip((made, rewritten, deleted), words, strict=True)
    return ", ".join(f"{count} {verb}" for count, verb in counts if count)


def print_actions(report: Report, dry_run: bool) -> None:
    """Print how many alarms were changed, or would be, and which instances were healed."""
    actions = report.planned if dry_run else report.done
    alarms = alarm_changes(actions, would=dry_run)
    if alarms:
        print_line(f"Alarms: {alarms}.")
    for action in actions:
        if isinstance(action, Heal | SetMode):
            print_line(sentence(action, would=dry_run))


def print_dry_run(decisions: Iterable[Decision]) -> None:
    """Print for which tables the configuration has dry_run."""
    print_dry_run_of(sorted({d.target.table for d in decisions if d.dry_run}))


def print_dry_run_of(names: Sequence[str]) -> None:
    """Print, where nobody can overlook it, what the configuration has in a dry run."""
    if names:
        console.print(
            f"DRY RUN: the configuration has dry_run = true for {listed(names)}. "
            "There Headroom decides and logs, and changes nothing.",
            style="bold reverse",
            markup=False,
            highlight=False,
        )


def print_rest(report: Report) -> None:
    """Print what was passed over, by reason, and what failed."""
    by_reason: dict[str, list[Skip]] = {}
    for skip in report.skips:
        by_reason.setdefault(skip.reason, []).append(skip)
    for skips in by_reason.values():
        if len(skips) == 1:
            print_line(sentence(skips[0]))
        else:
            names, details = listed([s.subject for s in skips]), {s.detail for s in skips}
            why = WHY[skips[0].reason] if len(details) > 1 else details.pop()
            print_line(f"Passed over: {names}: {why} ({skips[0].reason})")
    for failure in report.failures:
        print_failure(f"{failure.subject}: {failure.doing} failed", failure.error)


def listed(names: Sequence[str]) -> str:
    """Return names in a list, and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def print_decisions(report: Report, verbose: bool) -> None:
    """Print the decisions as a table, and those about instances and modes in words."""
    if report.decisions:
        console.print(_table(report, verbose))
    print_healing(report)
    print_modes(report)


def print_healing(report: Report) -> None:
    """Print the decisions about instances."""
    for healing in report.healing_decisions:
        print_line(sentence(healing))


def print_modes(report: Report) -> None:
    """Print the decisions about billing modes."""
    for mode in report.mode_decisions:
        print_line(sentence(mode))


def _table(report: Report, verbose: bool) -> Table:
    headings = ("target", "now", "then", "reason")
    table = number_table("", headings, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    target, *_, reason = table.columns
    target.overflow, reason.justify = "fold", "left"
    for decision in report.decisions:
        style = "bold" if decision.changes else None
        held_by = decision.numbers.get("held_by")
        pace = warm.pace(decision)
        why = reason_of(decision) + "".join(f": {more}" for more in (held_by, pace) if more)
        more = f"\n{numbers(decision.numbers)}" if verbose else ""
        cells = (str(decision.target), f"{decision.current:,}", f"{decision.desired:,}")
        table.add_row(*cells, escape(why + more), style=style)
    return table


def as_data(decision: Decision, prices: pricing.Prices) -> dict[str, object]:
    """Return a decision for `--json`, with the field names of the log."""
    target = decision.target
    return {
        "table": target.table,
        "index": target.index,
        "dimension": str(target.dimension),
        "current": decision.current,
        "desired": decision.desired,
        "reason": str(decision.reason),
        "why": WHY[decision.reason],
        "dry_run": decision.dry_run,
        "usd_a_month": round(monthly(decision, prices), 2),
        "saves_usd_a_month": round(saving(decision, prices), 2),
        "numbers": dict(decision.numbers),
    }


def _mode_data(decision: ModeDecision) -> dict[str, object]:
    """Return the decision on a billing mode for `--json`, with the field names of the log."""
    return {
        "table": decision.table,
        "on_demand": decision.on_demand,
        "becomes_on_demand": decision.becomes_on_demand,
        "reason": str(decision.reason),
        "why": WHY[decision.reason],
        "dry_run": decision.dry_run,
        "units": {str(target): count for target, count in decision.units.items()},
        "ceilings": {str(target): count for target, count in decision.ceilings.items()},
        "numbers": dict(decision.numbers),
    }


def report_data(place: Place, report: Report, prices: pricing.Prices) -> dict[str, object]:
    """Return a report for `--json`."""
    actions: Mapping[str, Sequence[Action]] = {"planned": report.planned, "done": report.done}
    return {
        **place.as_data(),
        "decisions": [as_data(decision, prices) for decision in report.decisions],
        **{kind: [sentence(action) for action in found] for kind, found in actions.items()},
        "modes": [_mode_data(mode) for mode in report.mode_decisions],
        "budgets": [asdict(one) for one in report.spending],
        "skipped": [
            {"subject": s.subject, "reason": str(s.reason), "detail": s.detail}
            for s in report.skips
        ],
        "failures": [
            {"subject": f.subject, "doing": f.doing, "error": describe_error(f.error)}
            for f in report.failures
        ],
    }
