"""Each example of docs/windows.md does what the page says of it."""

import re
from datetime import datetime
from typing import Any

import pytest

from chalicelib.config import loader
from chalicelib.config.rules import Config
from chalicelib.config.windows import BARRED
from chalicelib.core.explain import WHY
from chalicelib.model import BOTH, Decision, Dimension, Reason, Target
from headroom.project import ROOT
from tests.support.builders import decide_with, observation, steady

PAGE = (ROOT / "docs" / "windows.md").read_text()
WINDOWS, FLOORS, RESERVED, TIMES, TOGETHER = (
    loader.load(text, "docs/windows.md")
    for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
)


def decide(
    config: Config,
    table: str,
    now: str,
    dimension: Dimension = Dimension.READ,
    units: int = 1_000,
    **facts: Any,
) -> Decision:
    """Decide on an idle target at a time of November 2026, in UTC; the 2nd is a Monday."""
    target = Target(table, "", dimension)
    at = datetime.fromisoformat(f"2026-11-{now.replace(' ', 'T')}+00:00")
    policy = config.policy_for(target)
    assert policy is not None
    return decide_with(observation(target, units, steady(0.5, end=at), **facts), policy, at, BOTH)


@pytest.mark.parametrize(
    ("config", "table", "now", "reason"),
    [
        pytest.param(
            WINDOWS, "orders", "02 06:59", Reason.UTILIZATION_LOW, id="before eight in Berlin"
        ),
        pytest.param(WINDOWS, "orders", "02 07:00", Reason.WINDOW, id="at eight in Berlin"),
        pytest.param(
            WINDOWS, "orders", "02 19:00", Reason.UTILIZATION_LOW, id="at eight in the evening"
        ),
        pytest.param(WINDOWS, "orders", "07 12:00", Reason.UTILIZATION_LOW, id="on Saturday"),
        pytest.param(WINDOWS, "orders", "02 22:30", Reason.WINDOW, id="held"),
        pytest.param(
            TOGETHER, "reports", "02 09:00", Reason.WINDOW, id="the floor has ended, by day"
        ),
        pytest.param(TOGETHER, "reports", "02 20:00", Reason.UTILIZATION_LOW, id="in the evening"),
        pytest.param(
            TIMES, "orders", "02 08:59", Reason.NOT_SCHEDULED, id="before 10:00 in Berlin"
        ),
        pytest.param(TIMES, "orders", "02 09:00", Reason.UTILIZATION_LOW, id="at 10:00"),
        pytest.param(TIMES, "orders", "02 09:15", Reason.NOT_SCHEDULED, id="a quarter later"),
    ],
)
def test_the_windows_of_the_page(config: Config, table: str, now: str, reason: Reason) -> None:
    assert decide(config, table, now).reason is reason


@pytest.mark.parametrize(
    ("now", "dimension", "desired"),
    [
        pytest.param("02 13:40", Dimension.READ, 100, id="before 08:45 in New York"),
        pytest.param("02 13:45", Dimension.READ, 800, id="at 08:45"),
        pytest.param("02 22:59", Dimension.READ, 800, id="before 18:00"),
        pytest.param("02 13:45", Dimension.WRITE, 100, id="the writes have no floor"),
    ],
)
def test_the_floor_of_the_page(now: str, dimension: Dimension, desired: int) -> None:
    held = {
        "decreases_today": 4,
        "last_decrease_at": datetime.fromisoformat(f"2026-11-{now.replace(' ', 'T')}+00:00"),
    }
    assert decide(FLOORS, "shop-eu", now, dimension, 100, **held).desired == desired


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        pytest.param(
            "03 01:00", Reason.UTILIZATION_LOW, id="an hour before, there is another one by then"
        ),
        pytest.param("03 01:01", Reason.RESERVED, id="within the hour"),
        pytest.param("03 01:59", Reason.RESERVED, id="the minute before"),
        pytest.param("03 02:00", Reason.UTILIZATION_LOW, id="from that minute on"),
    ],
)
def test_the_kept_decrease_of_the_page(now: str, reason: Reason) -> None:
    assert decide(RESERVED, "events", now, decreases_today=3).reason is reason


def test_the_page_names_every_rule_and_only_reasons_that_there_are() -> None:
    assert set(BARRED) <= set(re.findall(r"`(\w+)`", PAGE))
    assert (
        {"DecreaseReserved", "HeldByWindow"}
        <= set(re.findall(r"`([A-Z][a-z]\w+)`", PAGE))
        <= {str(reason) for reason in WHY}
    )
