"""What a budget of a month (`max_usd_month`) would do to a history: when it is spent, and what it
then holds back.

A history is seldom a whole month, and begins in the middle of one. So the budget is compared with
the month's cost at the history's rate, and the time after its end is a row of its own: the history
with a budget that is spent from the first minute on.
"""

from collections.abc import Sequence

from msgspec import structs

from chalicelib.config.money import Money
from chalicelib.config.policy import Policy
from headroom.simulation.compare import HEADROOM, SPENT_BUDGET, Comparison, Row
from headroom.simulation.outcome import parts_per_million
from headroom.simulation.pricing import HOURS_A_MONTH

#: Any cost spends it.
SPENT_USD = 1e-9


def holds(policy: Policy, stage: Money | None) -> bool:
    """Tell whether a budget, of the table or of the stage, limits anything when it is spent."""
    budgets: list[Policy | Money] = [policy, stage] if stage else [policy]
    return any(one.max_usd_month and one.money_cap == "hold" for one in budgets)


def spent(policy: Policy) -> Policy:
    """Return a policy whose budget is spent from the first minute on."""
    return structs.replace(policy, max_usd_month=SPENT_USD, money_cap="hold")


def unlimited(policy: Policy) -> Policy:
    """Return a policy without a budget."""
    return structs.replace(policy, max_usd_month=0.0)


def notes(
    table: str, policy: Policy, stage: Money | None, comparisons: Sequence[Comparison]
) -> list[str]:
    """Return in sentences what the budgets of a table and of the stage mean for what was replayed
    of the table."""
    month = sum(_row(one, HEADROOM).cost_month for one in comparisons)
    found = []
    if policy.max_usd_month:
        rate = _rate(month, policy.max_usd_month)
        found.append(f"Budget: {table} costs {rate}.{_after(policy, month, comparisons)}")
    if stage and stage.max_usd_month:
        rate = _rate(month, stage.max_usd_month)
        found.append(
            f"Budget: the stage has one of its own. {table} alone costs {rate}."
            f"{_after(stage, month, comparisons)}"
        )
    return found


def _rate(month: float, limit: float) -> str:
    percent = 100 * month / limit
    return f"{month:,.2f} USD a month at this rate, {percent:,.0f} % of max_usd_month {limit:,.10g}"


def _after(budget: Policy | Money, month: float, comparisons: Sequence[Comparison]) -> str:
    """Return when a budget is spent, and what follows; "" for one that is enough."""
    limit = budget.max_usd_month
    if month <= limit:
        return ""
    days = limit / month * HOURS_A_MONTH / 24
    if budget.money_cap != "hold":
        return f" It is spent after {days:.1f} days, and holds nothing back (money_cap = warn)."
    capped = sum(_row(one, SPENT_BUDGET).cost_month for one in comparisons)
    return (
        f" It is spent after {days:.1f} days. From then on nothing is raised above the measured "
        f"demand: at the rate of {capped:,.2f} USD a month, with "
        f"{_ppm(comparisons, SPENT_BUDGET):,.0f} ppm throttled instead of "
        f"{_ppm(comparisons, HEADROOM):,.0f}."
    )


def _row(comparison: Comparison, name: str) -> Row:
    return next(row for row in comparison.rows if row.name == name)


def _ppm(comparisons: Sequence[Comparison], name: str) -> float:
    throttled = sum(sum(one.outcomes[name].throttled) for one in comparisons)
    return parts_per_million(throttled, sum(sum(one.demand) for one in comparisons))
