"""What a budget would do to a history, by hand."""

import pytest

from chalicelib.config.money import Money
from chalicelib.config.policy import Policy, make_policy
from chalicelib.model import Dimension
from headroom.simulation import budgets
from headroom.simulation.compare import HEADROOM, SPENT_BUDGET, Comparison, Row
from headroom.simulation.replay import Outcome, replay

HOLD = make_policy(max_usd_month=100.0, money_cap="hold")
WARN = make_policy(max_usd_month=100.0)
NONE = make_policy()
STAGE = Money(max_usd_month=50.0, money_cap="hold")


def comparison(usd: float, capped: float) -> Comparison:
    """10 units a second of demand; a thousandth of it throttled, and with the cap a hundredth."""
    outcomes = {
        HEADROOM: Outcome([20] * 60, [0.01] * 60),
        SPENT_BUDGET: Outcome([10] * 60, [0.1] * 60),
    }
    months = zip(outcomes, (usd, capped), strict=True)
    rows = [Row(name, month, 1.0, 1.0, 1.0, 0.0, 0, 0, 0) for name, month in months]
    return Comparison([10.0] * 60, Dimension.READ, rows, outcomes)


BOTH = [comparison(150.0, 90.0), comparison(50.0, 40.0)]
AFTER = (
    "From then on nothing is raised above the measured demand: at the rate of 130.00 USD a month, "
    "with 10,000 ppm throttled instead of 1,000."
)


@pytest.mark.parametrize(
    ("policy", "stage", "expected"),
    [
        (NONE, None, []),
        (NONE, Money(money_cap="hold"), []),
        (
            HOLD,
            None,
            [
                "Budget: orders costs 200.00 USD a month at this rate, 200 % of max_usd_month 100. "
                f"It is spent after 15.2 days. {AFTER}"
            ],
        ),
        (
            WARN,
            None,
            [
                "Budget: orders costs 200.00 USD a month at this rate, 200 % of max_usd_month 100. "
                "It is spent after 15.2 days, and holds nothing back (money_cap = warn)."
            ],
        ),
        (
            make_policy(max_usd_month=1_000.0, money_cap="hold"),
            None,
            ["Budget: orders costs 200.00 USD a month at this rate, 20 % of max_usd_month 1,000."],
        ),
        (
            NONE,
            STAGE,
            [
                "Budget: the stage has one of its own. orders alone costs 200.00 USD a month at "
                f"this rate, 400 % of max_usd_month 50. It is spent after 7.6 days. {AFTER}"
            ],
        ),
    ],
    ids=["none", "a cap without a budget", "hold", "warn", "enough", "of the stage"],
)
def test_a_budget_is_compared_with_the_month_of_all_targets(
    policy: Policy, stage: Money | None, expected: list[str]
) -> None:
    assert budgets.notes("orders", policy, stage, BOTH) == expected


@pytest.mark.parametrize(
    ("policy", "stage", "is_held"),
    [
        (NONE, None, False),
        (WARN, None, False),
        (HOLD, None, True),
        (WARN, STAGE, True),
        (make_policy(money_cap="hold"), None, False),
        (NONE, Money(max_usd_month=50.0), False),
    ],
)
def test_only_a_budget_that_holds_is_replayed(
    policy: Policy, stage: Money | None, is_held: bool
) -> None:
    assert budgets.holds(policy, stage) is is_held


def test_a_spent_budget_raises_to_the_measured_demand_and_no_further() -> None:
    demand = [60.0] * 60 + [95.0] * 60
    raised = replay(demand, budgets.spent(WARN), 70)
    assert max(raised.units) == 95 < max(replay(demand, budgets.unlimited(HOLD), 70).units)
