"""`goal_throttled_ppm`: what was really throttled, in `status` and in `doctor`."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws.client import Aws
from chalicelib.config.policy import SETTINGS, make_policy
from chalicelib.metrics import CONSUMED, NAMESPACE, THROTTLED, Cause, throttled_by
from chalicelib.model import Dimension, Target
from headroom.deploy.account import AwsSession
from headroom.deploy.checks import configuration
from headroom.deploy.checks.deployment import Deployment
from headroom.region.context import Fault
from headroom.region.region import Region
from headroom.simulation.clock import DAY, MINUTE
from headroom.simulation.goals import HIGHEST_PRICE, PRICES_ONLY, GoalCheck, check_goals
from tests.support.builders import INDEX_READS, READS, WRITES
from tests.support.command_line import RunCommand, write_file
from tests.support.deployed import dev
from tests.support.scenes import HOT, MONDAY, metric_dimensions

SURPRISED = Target("users", "", Dimension.READ)
KEYED = Target("users", "", Dimension.WRITE)
GOAL = make_policy(goal_throttled_ppm=100.0)
#: Of 14.4 million units in two days, 1,800 and 3,600.
ONE_MINUTE = 1_800.0
CONFIG = """
[defaults]
goal_throttled_ppm = 100
[[tables]]
name = "orders"
[[tables]]
name = "users"
write.goal_throttled_ppm = 0
"""


@pytest.fixture(scope="module")
def region() -> Iterator[Region]:
    """Two days of two tables. `orders` is steady, and has lost more requests than a replay would.

    The reads of `users` have a jump that no past day announces. Its writes have a hot key.
    """
    with Region(MONDAY) as made:
        for name in ("orders", "users"):
            made.create_table(name, 100, 100)
        steady = dict.fromkeys(range(2 * DAY), 50.0 * MINUTE)
        lost = {DAY + 600: ONE_MINUTE}
        jump = {DAY + 600 + minute: 6_000.0 * MINUTE for minute in range(3)}
        for target, consumed, throttled in (
            (READS, steady, lost),
            (SURPRISED, dict.fromkeys(range(2 * DAY), 5.0 * MINUTE), jump),
            (KEYED, steady, lost),
        ):
            named, kind = metric_dimensions(target), target.dimension
            for metric, values in ((CONSUMED[kind], consumed), (THROTTLED[kind], throttled)):
                for minute, value in values.items():
                    made.cloudwatch.publish(NAMESPACE, metric, named, minute, value)
            cause = HOT[kind] if target == KEYED else throttled_by(Cause.PROVISIONED, kind)
            for minute, value in throttled.items():
                made.cloudwatch.publish(NAMESPACE, cause, named, minute, value)
        made.travel(MONDAY + timedelta(days=2, hours=9))
        yield made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_file(tmp_path, CONFIG)


@pytest.mark.slow(traced=True)
def test_what_was_throttled_is_held_against_the_goal_and_the_highest_price(region: Region) -> None:
    """A hot key's throttling counts for nothing. What consumed nothing is left out."""
    goals = dict.fromkeys((READS, WRITES, SURPRISED, KEYED), GOAL)
    region.calls.clear()
    orders, users, keyed = check_goals(Aws("headroom-alarms"), goals, region.now, workers=1)
    assert (orders.target, users.target, keyed.target) == (READS, SURPRISED, KEYED)
    units = 50.0 * MINUTE * 2 * DAY + ONE_MINUTE
    assert orders.throttled_ppm == pytest.approx(ONE_MINUTE / units * 1e6)
    assert (orders.is_met, orders.replayed_ppm, orders.is_out_of_reach) == (False, 0.0, False)
    assert users.is_out_of_reach
    assert (keyed.is_met, keyed.throttled_ppm, keyed.replayed_ppm) == (True, 0.0, None)
    # by the day with causes, and by the minute with causes of the two that miss their goal
    metrics = [len(call.params["MetricDataQueries"]) for call in region.calls]
    assert metrics == [8, 12, 2, 4, 2, 4]


def test_without_a_goal_nothing_is_read(region: Region) -> None:
    region.calls.clear()
    assert check_goals(Aws("headroom-alarms"), {READS: make_policy()}, region.now) == []
    assert region.calls == []


@pytest.mark.parametrize(
    ("period", "expected"),
    [(86_400, []), (60, [None])],
    ids=["its days: nothing is compared", "its minutes: nothing is replayed"],
)
def test_what_cloudwatch_answers_in_part_is_unknown(
    region: Region, period: int, expected: list[float | None]
) -> None:
    def in_part(params: Mapping[str, Any]) -> dict[str, Any] | None:
        queries = params["MetricDataQueries"]
        if queries[0]["MetricStat"]["Period"] != period:
            return None
        part = {"Timestamps": [], "Values": [], "StatusCode": "PartialData"}
        return {"MetricDataResults": [{"Id": query["Id"], **part} for query in queries]}

    region.answers["cloudwatch", "GetMetricData"] = in_part
    try:
        found = check_goals(Aws("headroom-alarms"), {READS: GOAL}, region.now)
    finally:
        del region.answers["cloudwatch", "GetMetricData"]
    assert [one.replayed_ppm for one in found] == expected


@pytest.mark.slow(traced=True)
def test_status_names_the_targets_that_miss_their_goal(
    region: Region, config: Path, run: RunCommand
) -> None:
    result = run("status", "--config", config, "--table", "users")
    assert "0 of 1 targets meet their goal_throttled_ppm." in result.output
    assert (
        "users:read throttled 555,556 ppm in the last 14 days, above goal_throttled_ppm = 100; no "
        "throttle_price reaches it: in a replay the highest, 10000, throttles "
    ) in result.output
    data = json.loads(run("status", "--config", config, "--table", "orders", "--json").stdout)
    [goal] = data["goals"]
    assert (goal["target"], goal["goal_ppm"], goal["replayed_ppm"]) == ("orders:read", 100.0, 0.0)


def test_status_without_the_metrics_of_the_goals_shows_the_rest(
    region: Region, config: Path, run: RunCommand
) -> None:
    region.faults.append(Fault("GetMetricData", "AccessDenied", times=99))
    try:
        result = run("status", "--config", config, "--table", "orders")
    finally:
        region.faults.clear()
    assert "orders:read" in result.output
    assert "the goals are not compared: " in result.errors


@pytest.mark.slow(traced=True)
def test_the_doctor_names_them_with_what_to_do(region: Region, tmp_path: Path) -> None:
    (tmp_path / "chalicelib").mkdir()
    text = CONFIG.partition('[[tables]]\nname = "users"')[0]
    write_file(tmp_path / "chalicelib", text, "headroom.toml")
    deployment = Deployment(dev(), tmp_path, AwsSession(), region.now)
    [orders] = configuration.goals(deployment)
    assert (orders.check, orders.problem) == (
        "goals",
        "orders:read throttled 208 ppm in the last 14 days, above goal_throttled_ppm = 100",
    )
    assert orders.remedy == (
        "Find the price that meets it: headroom tune --table orders --dimension read --price-only "
        "(docs/policy.md, A goal)."
    )


def test_an_index_is_named_to_tune_and_what_no_price_reaches_is_not_tuned() -> None:
    assert " --table orders --index by-date --dimension" in GoalCheck(INDEX_READS, 1, 2).remedy
    assert GoalCheck(READS, 1.0, 2.0, 1.5).remedy.startswith("Give the target a higher min_units")


def test_the_highest_price_is_that_of_the_configuration() -> None:
    [constraint] = SETTINGS["throttle_price"].__metadata__
    assert constraint.le == HIGHEST_PRICE == max(PRICES_ONLY["throttle_price"])
