"""A budget through the real functions: at its end nothing is raised above the measured demand, it
is notified of once a month, and it is read only where it is configured."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.metrics import CONSUMED, NAMESPACE, PROVISIONED
from chalicelib.metrics import OWN as OWN_METRICS
from chalicelib.metrics import SPENT as SPENT_METRIC
from chalicelib.model import Dimension, Target
from headroom.deploy.account import AwsSession
from headroom.deploy.checks import configuration
from headroom.deploy.checks.deployment import Deployment
from headroom.region.cloudwatch import key
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.command_line import RunCommand, write_file
from tests.support.deployed import dev
from tests.support.notifications import TOPIC, subjects, tags, texts, with_topic
from tests.support.scenes import (
    MIDDAY,
    MONDAY,
    decisions,
    failures,
    invoke,
    metric_dimensions,
    orders,
    pass_minutes,
    past_units,
    reasons,
    requests,
    rules,
    units,
    woken_after,
)

#: On Monday the 2nd, at 12:00, `orders` has cost 3.37 USD since the 1st: 36 hours of 120 read and
#: 120 write units.
BUSY = {READS: 95.0}
SPENT = {"max_usd_month": 3.0}


@contextmanager
def month(config: str | None = None, name: str = "us-east-1") -> Iterator[Region]:
    """`orders`, with its units of the last days in CloudWatch."""
    with Region(MIDDAY, name=name) as region:
        region.create_table("orders", 100, 100, {"by-date": (20, 20)})
        past_units(region)
        region.deploy(config or rules(**SPENT, money_cap="hold"))
        with_topic(region)
        invoke(region, "sweep")
        region.calls.clear()
        yield region


pytestmark = pytest.mark.scene.with_args(month)


def unit_reads(region: Region) -> int:
    """Return how many metrics of a month were read."""
    queries = (q for r in requests(region, "GetMetricData") for q in r["MetricDataQueries"])
    return sum(query["MetricStat"]["Stat"] == "Average" for query in queries)


@pytest.mark.parametrize("function", ["sweep", "scale_down", "on_alarm", "follow_up"])
def test_at_the_cap_no_function_raises_above_the_demand(region: Region, function: str) -> None:
    decided = decisions(woken_after(region, function, 5, BUSY))[READS]
    assert (decided["desired"], decided["reason"]) == (100, "MoneyCapReached")
    assert decided["numbers"]["month_usd"] == pytest.approx(3.37, abs=0.01)
    assert (decided["numbers"]["max_usd_month"], decided["numbers"]["wanted_units"]) == (3.0, 150)
    assert units(region)["orders:read"] == 100


@pytest.mark.parametrize("function", ["sweep", "on_alarm"])
def test_what_is_throttled_is_still_served(region: Region, function: str) -> None:
    pass_minutes(region, 5, {READS: 100.0}, {READS: 30.0})
    woken_after(region, function, 0)
    assert units(region)["orders:read"] == 130


@pytest.mark.scene(month, rules(**SPENT))
@pytest.mark.parametrize(("function", "reads"), [("sweep", 4), ("on_alarm", 0), ("follow_up", 0)])
def test_with_warn_it_is_raised_and_an_alarm_reads_nothing_more(
    region: Region, function: str, reads: int
) -> None:
    woken_after(region, function, 65, BUSY)
    assert (units(region)["orders:read"], unit_reads(region)) == (150, reads)


@pytest.mark.scene(orders, rules())
def test_without_a_budget_nothing_is_read(region: Region) -> None:
    pass_minutes(region, 5, BUSY)
    invoke(region, "sweep")
    assert unit_reads(region) == 0


def test_a_container_reads_each_hour_once(region: Region) -> None:
    for _ in range(5):
        pass_minutes(region, 25, BUSY)
        invoke(region, "sweep")
    assert unit_reads(region) == 4 * 2


@pytest.mark.parametrize("function", ["sweep", "on_alarm"])
def test_a_month_that_cannot_be_read_prevents_no_increase(region: Region, function: str) -> None:
    def is_month(params: Any) -> bool:
        return params["MetricDataQueries"][0]["MetricStat"]["Stat"] == "Average"

    region.faults.append(Fault("GetMetricData", "InternalServiceFault", 9, matches=is_month))
    invocation = woken_after(region, function, 65, BUSY)
    assert units(region)["orders:read"] == 150
    assert decisions(invocation)[READS]["numbers"]["month_usd"] == "unknown"
    assert "the month's units: GetMetricData failed" in failures(invocation)[0]


def in_standard_ia(region: Region) -> None:
    """Change the class of the table."""
    region.client("dynamodb").update_table(
        TableName="orders", TableClass="STANDARD_INFREQUENT_ACCESS"
    )


@pytest.mark.scene(month, rules(max_usd_month=4.0, money_cap="hold"))
def test_another_class_has_another_price(region: Region) -> None:
    in_standard_ia(region)
    assert reasons(woken_after(region, "sweep", 5, BUSY))["orders:read"] == "MoneyCapReached"


OWN = "\n[money]\nread_unit_hour = 0.0013\nwrite_unit_hour = 0.0065\n"


@pytest.mark.scene(month, rules(max_usd_month=30.0, money_cap="hold") + OWN)
def test_a_price_of_ones_own_counts(region: Region) -> None:
    assert reasons(woken_after(region, "sweep", 5, BUSY))["orders:read"] == "MoneyCapReached"


@pytest.mark.scene(
    month, rules(notify=["money"], notify_topic=TOPIC, max_usd_month=3.4, scale_down=False)
)
def test_each_level_is_notified_of_once_a_month(region: Region) -> None:
    invoke(region, "sweep")
    assert subjects(region) == ["Budget: orders"]
    assert texts(region)[0].startswith(
        "orders has cost 3.37 USD since 1 November, 99 % of max_usd_month 3.4; forecast to its end"
    )
    assert "headroom-told-money-80" in tags(region)
    for _ in range(3):
        pass_minutes(region, 60)
        invoke(region, "sweep")
    assert len(subjects(region)) == 2
    assert "102 % of max_usd_month 3.4" in texts(region)[1]
    assert "capacity is raised as before" in texts(region)[1]
    region.travel(MONDAY + timedelta(days=33))
    past_units(region)
    invoke(region, "sweep")
    assert len(subjects(region)) == 3
    assert "since 1 December" in texts(region)[2]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["explain", "orders"], "Budget: orders has cost 3.3"),
        (["status"], "Budget: orders has cost 3.3"),
        (["plan"], "Budget: orders has cost 3.3"),
        (["cost", "--days", "1"], "Budget: orders has cost 3.3"),
        (["explain", "orders", "--json"], '"budgets"'),
    ],
)
def test_the_commands_show_it(
    region: Region,
    run: RunCommand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    shown: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pass_minutes(region, 5, BUSY)
    file = write_file(tmp_path, region.functions.config)
    output = run(*arguments, "--config", file).output
    assert shown in output
    if "--json" in arguments:
        (budget,) = json.loads(output)["budgets"]
        assert budget["of"] == "orders"
        assert budget["limit"] == 3.0


# the whole stage

STAGE = '\n[money]\nmax_usd_month = {}\nmoney_cap = "{}"\n'


@pytest.mark.scene(month, rules() + STAGE.format(3, "hold"))
@pytest.mark.parametrize("function", ["sweep", "on_alarm"])
def test_a_spent_budget_of_the_stage_holds_every_table(region: Region, function: str) -> None:
    pass_minutes(region, 5, BUSY)
    decided = decisions(woken_after(region, function, 5, BUSY))[READS]
    assert (decided["desired"], decided["reason"]) == (100, "MoneyCapReached")
    assert decided["numbers"]["stage_month_usd"] == pytest.approx(3.38, abs=0.02)
    assert decided["numbers"]["stage_max_usd_month"] == 3.0


def on_demand_for(region: Region, hours: int) -> None:
    """Switch `orders` to on demand, as if it had been so for these hours: ten reads a second."""
    past = {region.minute - 60 * (hour + 1) for hour in range(hours)}
    for target in region.targets():  # none has units once the table is on demand
        held = key(NAMESPACE, PROVISIONED[target.dimension], metric_dimensions(target))
        kept = region.cloudwatch.sums[held].items()
        region.cloudwatch.sums[held] = {minute: sum_ for minute, sum_ in kept if minute not in past}
    region.client("dynamodb").update_table(TableName="orders", BillingMode="PAY_PER_REQUEST")
    for minute in past:
        name, named = CONSUMED[READS.dimension], metric_dimensions(READS)
        region.cloudwatch.publish(NAMESPACE, name, named, minute, 36_000)
    pass_minutes(region, 10)


#: 26 hours of 120 read and 120 write units, and ten of ten read requests a second.
SPENT_IN_BOTH_MODES = 26 * 120 * 0.00078 + 10 * 10 * 0.00045


@pytest.mark.scene(month, rules() + STAGE.format(3, "warn"))
def test_a_sweep_counts_the_requests_of_a_table_on_demand(region: Region) -> None:
    on_demand_for(region, 10)
    region.functions.restart()
    invoke(region, "sweep")
    published = region.cloudwatch.points(OWN_METRICS, SPENT_METRIC, {"service": "headroom"})
    assert published[region.minute] == pytest.approx(SPENT_IN_BOTH_MODES, abs=0.01)


@pytest.mark.scene(month, rules() + STAGE.format(3, "warn"))
def test_without_the_description_of_a_table_no_sum_of_the_stage_is_published(
    region: Region,
) -> None:
    region.create_table("orders2", 100, 100)
    odd = {"Table": {}}
    region.answers["dynamodb", "DescribeTable"] = lambda r: (
        odd if r["TableName"] == "orders2" else None
    )
    pass_minutes(region, 5)
    invoke(region, "sweep")
    published = region.cloudwatch.points(OWN_METRICS, SPENT_METRIC, {"service": "headroom"})
    assert region.minute not in published


@pytest.mark.scene(month, rules() + STAGE.format(3, "warn"))
def test_cost_shows_the_requests_of_a_table_on_demand(
    region: Region, run: RunCommand, tmp_path: Path
) -> None:
    on_demand_for(region, 10)
    shown = run("cost", "--days", "1", "--config", write_file(tmp_path, region.functions.config))
    assert f"Budget: the stage has cost {SPENT_IN_BOTH_MODES:.2f} USD" in shown.output


@pytest.mark.scene(month, rules() + STAGE.format(3, "warn"))
def test_a_table_that_was_never_on_demand_reads_no_requests(region: Region) -> None:
    pass_minutes(region, 60)
    invoke(region, "sweep")
    read = [r for r in requests(region, "GetMetricData") if r["MetricDataQueries"]]
    periods = {
        q["MetricStat"]["Period"]
        for r in read
        for q in r["MetricDataQueries"]
        if q["MetricStat"]["Metric"]["MetricName"] in CONSUMED.values()
    }
    assert 3600 not in periods


@pytest.mark.scene(month, rules() + STAGE.format(3, "hold"))
def test_what_a_sweep_published_long_ago_holds_nothing(region: Region) -> None:
    decided = decisions(woken_after(region, "on_alarm", 20, BUSY))[READS]
    assert (decided["desired"], decided["numbers"]["stage_month_usd"]) == (150, "unknown")


@pytest.mark.scene(month, rules() + STAGE.format(3, "warn"))
def test_with_warn_only_sweeps_read_the_stage(region: Region) -> None:
    woken_after(region, "on_alarm", 5, BUSY)
    assert units(region)["orders:read"] == 150
    assert len(requests(region, "GetMetricData")) == 1


@pytest.mark.scene(
    month, rules(notify=["money"], notify_topic=TOPIC, max_usd_month=3) + STAGE.format(4, "warn")
)
def test_the_stage_is_notified_of_beside_its_tables(region: Region) -> None:
    invoke(region, "sweep")
    assert sorted(subjects(region)) == ["Budget: orders", "Budget: the stage"]
    assert "the stage has cost 3.37 USD since 1 November, 84 % of max_usd_month 4" in "".join(
        texts(region)
    )
    invoke(region, "sweep")
    assert len(subjects(region)) == 2


@pytest.mark.scene(month, rules(max_usd_month=3.0) + STAGE.format(4, "hold"), "eu-west-1")
def test_the_doctor_reports_the_budgets_whose_price_is_unknown(
    region: Region, tmp_path: Path
) -> None:
    in_standard_ia(region)
    (tmp_path / "chalicelib").mkdir()
    write_file(tmp_path / "chalicelib", region.functions.config, "headroom.toml")
    found = configuration.budgets(Deployment(dev(), tmp_path, AwsSession(), region.now))
    price = "the price of a unit in eu-west-1, class STANDARD_INFREQUENT_ACCESS is unknown"
    assert [(one.check, one.problem, one.remedy) for one in found] == [
        (
            "budgets",
            f"{of}: what it has cost this month is unknown ({what}: write it into [money]); "
            f"max_usd_month {limit}",
            "Until then the budget limits nothing (docs/money.md).",
        )
        for of, what, limit in (
            ("orders", price, 3),
            ("the stage", f"orders: {price}", 4),
        )
    ]


@pytest.mark.scene(month, rules() + STAGE.format(4, "hold"), "eu-west-1")
def test_a_table_whose_price_is_unknown_makes_the_stage_unknown(
    region: Region, run: RunCommand, tmp_path: Path
) -> None:
    in_standard_ia(region)
    pass_minutes(region, 5, BUSY)
    output = run("status", "--config", write_file(tmp_path, region.functions.config)).output
    assert "the stage: what it has cost this month is unknown (orders: the price of a unit in" in (
        output.replace("\n", " ")
    )
    invoke(region, "sweep")
    assert units(region)["orders:read"] == 150


FAN_OUT = "\n[fan_out]\nworkers = 2\nabove_tables = 1\n"


@contextmanager
def large(config: str) -> Iterator[Region]:
    """Two tables, which the sweep hands to workers."""
    with Region(MIDDAY) as region:
        for name in ("orders-1", "orders-2"):
            region.create_table(name, 100, 100)
        past_units(region)
        region.deploy(config, environment={"POWERTOOLS_SERVICE_NAME": "headroom-dev"})
        invoke(region, "sweep")
        region.functions.take_messages()
        region.travel(region.now + timedelta(minutes=5))
        yield region


@pytest.mark.parametrize(
    ("config", "number"),
    [
        (rules(max_usd_month=2.0, money_cap="hold") + FAN_OUT, "month_usd"),
        (rules() + FAN_OUT + STAGE.format(4, "hold"), "stage_month_usd"),
    ],
)
def test_workers_know_the_budgets(config: str, number: str) -> None:
    with large(config) as region:
        busy = {Target(name, "", Dimension.READ): 95.0 for name in ("orders-1", "orders-2")}
        pass_minutes(region, 5, busy)
        assert decisions(invoke(region, "sweep")) == {}
        decided = {
            target: line
            for invocation in region.functions.take_messages()
            for target, line in decisions(invocation).items()
        }
        assert {decided[target]["reason"] for target in busy} == {"MoneyCapReached"}
        assert all(decided[target]["numbers"][number] > 2 for target in busy)
