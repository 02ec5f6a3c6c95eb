"""What tables with a budget cost this month. It is read only where a budget needs it.

One metric a target, once an hour in each function that decides with it. Alarms' functions need it
only where a budget may limit an increase.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from chalicelib.aws.metrics import read_units
from chalicelib.config.policy import Policy
from chalicelib.core import money, price_list
from chalicelib.core.money import Spending
from chalicelib.core.observation import Observation
from chalicelib.metrics import history_end
from chalicelib.model import Dimension, Direction, Series, TableState, Target
from chalicelib.run import Run

NO_PRICE = "the price of a unit in {} is unknown: write it into [money]"
NO_METRICS = "CloudWatch does not give its units"


def with_spending(
    run: Run,
    tables: Sequence[TableState],
    observations: Mapping[Target, Observation],
    directions: Collection[Direction],
) -> dict[Target, Observation]:
    """Return the observations with what their tables cost this month, where they have a budget."""
    found = run.attempt("the budgets", "adding them up", _of_tables, run, tables, directions) or {}
    return {
        target: replace(o, spending=(found[target.table],)) if target.table in found else o
        for target, o in observations.items()
    }


def _of_tables(
    run: Run, tables: Sequence[TableState], directions: Collection[Direction]
) -> dict[str, Spending]:
    policies = {table.name: run.policy(Target(table.name, "", Dimension.READ)) for table in tables}
    wanted = [table for table in tables if _matters(policies[table.name], directions)]
    units = _units(run, wanted) if wanted else {}
    return {table.name: _of_table(run, table, policies[table.name], units) for table in wanted}


def _matters(policy: Policy, directions: Collection[Direction]) -> bool:
    """Tell whether a table has a budget that matters: a check that may only raise, such as that of
    an alarm, needs it where it may limit the increase."""
    return policy.max_usd_month > 0 and (policy.money_cap == "hold" or Direction.DOWN in directions)


def _units(run: Run, tables: Sequence[TableState]) -> Mapping[Target, Series]:
    targets = [target for table in tables for target in table.targets()]
    first, last = money.first_hour(run.now), history_end(run.now)
    read = run.read("the month's units", "GetMetricData", read_units, run.aws, targets, first, last)
    return read or {}


def _of_table(
    run: Run, table: TableState, policy: Policy, units: Mapping[Target, Series]
) -> Spending:
    region, targets = run.aws.region, table.targets()
    budget = Spending(table.name, policy.max_usd_month, policy.money_cap == "hold")
    prices = price_list.unit_hours(region, table.table_class, run.config.money)
    if prices is None:
        return replace(budget, unknown=NO_PRICE.format(f"{region}, class {table.table_class}"))
    if not units.keys() >= set(targets):
        return replace(budget, unknown=NO_METRICS)
    costs = money.hourly_cost({target: units[target] for target in targets}, prices)
    hour_now = sum((table.units(t) or 0) * prices[t.dimension] for t in targets)
    spent, forecast = money.add_up(costs, hour_now, run.now)
    return replace(budget, spent=spent, forecast=forecast)
