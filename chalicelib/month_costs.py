"""What tables with a budget, and the whole stage, cost this month. It is read only where a budget
needs it.

One metric a target, once an hour in each function that decides with it. A check that may only
raise, such as that of an alarm, needs it where it may limit the increase. The sweep adds up the
stage, and publishes that; the other functions read what it has published.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from msgspec import structs

from chalicelib.aws.metrics import read_hours, read_spent
from chalicelib.config.money import Money
from chalicelib.config.policy import Policy
from chalicelib.core import money, price_list
from chalicelib.core.money import Spending
from chalicelib.core.observation import Observation
from chalicelib.metrics import CONSUMED, PROVISIONED, history_end
from chalicelib.model import BOTH, Dimension, Direction, Series, TableState, Target
from chalicelib.run import Run

STAGE = "the stage's month"
#: Sweeps publish it every five minutes.
STAGE_KEPT = timedelta(minutes=5)
NO_PRICE = "the price of a unit in {} is unknown: write it into [money]"
NO_METRICS = "CloudWatch does not give its units"
NOT_PUBLISHED = "no sweep has published it in the last 15 minutes"


def with_spending(
    run: Run,
    tables: Sequence[TableState],
    observations: Mapping[Target, Observation],
    directions: Collection[Direction],
) -> dict[Target, Observation]:
    """Return the observations with what their tables, and the stage, cost this month, where they
    have a budget."""
    policies = {t.table: o.policy for t, o in observations.items() if _stands_for_table(t)}
    found = run.attempt(
        "the budgets", "adding them up", _of_tables, run, tables, policies, directions
    )
    stage = _stage(run, directions)
    if not found and not stage:
        return dict(observations)
    found = found or {}
    budgets = {t: tuple(one for one in (found.get(t.table), stage) if one) for t in observations}
    return {
        t: structs.replace(o, spending=budgets[t]) if budgets[t] else o
        for t, o in observations.items()
    }


def add_up_stage(run: Run, tables: Sequence[TableState], is_whole: bool) -> None:
    """Add up what all managed tables cost, if the stage has a budget. The report has it then.

    is_whole: whether these are all managed tables.
    """
    own = run.config.money
    if is_whole and own and own.max_usd_month:
        of_all = partial(_of_stage, run, own, tables)
        subject = "the budget of the stage"
        run.report.stage = run.once(STAGE, lambda: run.attempt(subject, "adding it up", of_all))


def all_budgets(run: Run, tables: Iterable[TableState], is_whole: bool) -> list[Spending]:
    """Return every budget that concerns some tables. is_whole: whether these are all tables."""
    managed = [table for table in tables if run.config.manages(table.name)]
    policies = {t.name: run.policy(Target(t.name, "", Dimension.READ)) for t in managed}
    found = list(_of_tables(run, managed, policies, BOTH).values())
    add_up_stage(run, managed, is_whole)
    return [*found, run.report.stage] if run.report.stage else found


def _stands_for_table(target: Target) -> bool:
    """Tell whether a target's policy has the budget of its table: no part of one has its own."""
    return not target.index and target.dimension is Dimension.READ


def _of_tables(
    run: Run,
    tables: Sequence[TableState],
    policies: Mapping[str, Policy],
    directions: Collection[Direction],
) -> dict[str, Spending]:
    """Return the budgets of those tables that have one which matters. policies: by table."""
    known = [table for table in tables if table.name in policies]
    wanted = [table for table in known if _matters(policies[table.name], directions)]
    units = _hours(run, wanted)
    budgets = [_budget(table.name, policies[table.name]) for table in wanted]
    pairs = zip(wanted, budgets, strict=True)
    return {table.name: _spent(run, table, budget, units) for table, budget in pairs}


def _of_stage(run: Run, own: Money, tables: Sequence[TableState]) -> Spending:
    units, budget = _hours(run, tables), _budget("", own)
    parts = [_spent(run, table, replace(budget, of=table.name), units) for table in tables]
    unknown = next((f"{part.of}: {part.unknown}" for part in parts if part.unknown), "")
    if unknown:
        return replace(budget, unknown=unknown)
    return replace(
        budget,
        spent=sum(part.spent or 0.0 for part in parts),
        forecast=sum(part.forecast or 0.0 for part in parts),
    )


def _stage(run: Run, directions: Collection[Direction]) -> Spending | None:
    """Return what the stage costs: as this run has added it up, or as the newest sweep has."""
    own = run.config.money
    is_known = bool(run.aws.service or run.report.stage)
    if own is None or not is_known or not _matters(own, directions):
        return None
    return run.once(STAGE, partial(_published, run, own))


def _published(run: Run, own: Money) -> Spending:
    read = partial(
        run.aws.recent, STAGE, run.now, STAGE_KEPT, partial(read_spent, run.aws, run.now)
    )
    spent = run.read("the stage's month", "GetMetricData", read)
    return replace(_budget("", own), spent=spent, unknown="" if spent else NOT_PUBLISHED)


def _budget(of: str, settings: Policy | Money) -> Spending:
    return Spending(of, settings.max_usd_month, settings.money_cap == "hold")


def _matters(settings: Policy | Money, directions: Collection[Direction]) -> bool:
    """Tell whether there is a budget that a check in these directions must know."""
    may_limit = settings.money_cap == "hold" or Direction.DOWN in directions
    return settings.max_usd_month > 0 and may_limit


#: The mean units of each hour: those that were provisioned, and those that were consumed of the
#: tables that have ever been on demand.
Hours = tuple[Mapping[Target, Series], Mapping[Target, Series]]


def _hours(run: Run, tables: Sequence[TableState]) -> Hours:
    held = _read(run, tables, PROVISIONED)
    return held, _read(run, [table for table in tables if _was_on_demand(table)], CONSUMED)


def _was_on_demand(table: TableState) -> bool:
    return table.on_demand or table.on_demand_at is not None


def _read(
    run: Run, tables: Iterable[TableState], names: Mapping[Dimension, str]
) -> Mapping[Target, Series]:
    targets = [target for table in tables for target in table.targets()]
    if not targets:
        return {}
    first, last = money.first_hour(run.now), history_end(run.now)
    read = partial(read_hours, run.aws, targets, first, last, names)
    return run.read("the month's units", "GetMetricData", read) or {}


def _spent(run: Run, table: TableState, budget: Spending, hours: Hours) -> Spending:
    """Return a budget with what a table has cost, or why that is unknown."""
    targets, (held, consumed) = table.targets(), hours
    place = run.aws.region, table.table_class, run.config.money
    was_on_demand = _was_on_demand(table)
    prices = price_list.unit_hours(*place)
    requests = price_list.request_hours(*place) if was_on_demand else prices
    if prices is None or requests is None:
        return replace(budget, unknown=NO_PRICE.format(f"{place[0]}, class {place[1]}"))
    if any(target not in held or was_on_demand > (target in consumed) for target in targets):
        return replace(budget, unknown=NO_METRICS)
    costs = money.hourly_cost({target: held[target] for target in targets}, prices)
    if was_on_demand:
        of_requests = money.hourly_cost({t: consumed[t] for t in targets}, requests)
        costs = money.by_mode(costs, of_requests)
    hour_now = sum((table.units(t) or 0) * prices[t.dimension] for t in targets)
    if table.on_demand:
        hour_now = next(iter(reversed(costs.known())), 0.0)
    spent, forecast = money.add_up(costs, hour_now, run.now)
    return replace(budget, spent=spent, forecast=forecast)
