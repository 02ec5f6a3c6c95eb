"""What is off adds no function, permission or call; neither do the settings that only decide."""

from collections import Counter

import pytest

from chalicelib.config import loader
from headroom.deploy import stage
from headroom.deploy.permissions import SCALING, configured_policy
from headroom.region.region import Region
from tests.scenarios.test_role_policies import policy
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES
from tests.support.iam import Ask, allowed
from tests.support.scenes import alarm_message, invoke, operations, pass_minutes, requests, rules
from tests.support.scenes import orders as table
from tests.support.scenes import send as send_message

#: Causes of throttling, indexes that follow, quotas and alarms that cannot call have no switch: all
#: that they read, they read when something is wrong.
FREE = (
    rules()
    + """
hold_after_outage_minutes = 20
hold_after_common_outage_minutes = 30
index_follows_table = false
ignore_throttled_events = 5
request_attempts = 4
windows = [{ rule = "floor", between = "00:00-01:00", min_units = 5 }]
"""
)
CALM = {READS: 64.0, WRITES: 64.0, INDEX_READS: 12.0, INDEX_WRITES: 12.0}
EACH_RUN = ("DescribeAlarms", "DescribeTable", "GetMetricData", "GetResources")
ACCOUNT = ("DescribeScalableTargets", "ListTables")
CALLS = {
    "scale_down": [*ACCOUNT, *EACH_RUN],
    "follow_up": ["DescribeAlarms"],
    "on_alarm": [*EACH_RUN],
}


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(text, marks=pytest.mark.scene(table, text), id=name)
        for name, text in (("off", rules()), ("settings that only decide", FREE))
    ],
)
def test_a_calm_table_costs_these_calls_and_metrics(region: Region, config: str) -> None:
    pass_minutes(region, 130, CALM)
    for function, calls in CALLS.items():
        region.calls.clear()
        if function == "on_alarm":
            send_message(region, alarm_message(region))
        else:
            invoke(region, function)
        assert Counter(operations(region)) == Counter(calls), (function, config)
        read = [
            query for r in requests(region, "GetMetricData") for query in r["MetricDataQueries"]
        ]
        # consumed and throttled, of each of the four targets
        assert len(read) == (8 if "GetMetricData" in calls else 0)


ONLY = "OnlyTheTablesOfTheConfiguration"
NOTE = "NoteSwitchesOfTheMode"
STANDING_BY = ["LetAutoScalingStandBy", "LetItsPoliciesHaveAlarms", "LetItHaveARole"]
IN_REGIONS = ("on_alarm", "on_action", "on_event", "on_queue")


@pytest.mark.parametrize(
    ("config", "added"),
    [
        pytest.param(rules(), {}, id="off"),
        pytest.param(FREE, {}, id="settings that only decide"),
        pytest.param(rules() + "\n[money]\nmax_usd_month = 9\n", {}, id="a budget of the stage"),
        pytest.param(rules(mode="cheapest"), {f: [NOTE] for f in SCALING}, id="modes"),
        pytest.param(rules() + "\n[understudy]\n", {"sweep": STANDING_BY}, id="understudy"),
        pytest.param(
            rules() + '\n[understudy]\nregions = ["eu-west-1"]\n',
            {"sweep": STANDING_BY, **{f: ["ReadTargets"] for f in IN_REGIONS}},
            id="understudy of global tables",
        ),
    ],
)
def test_each_feature_adds_these_statements_and_functions(
    config: str, added: dict[str, list[str]]
) -> None:
    found = loader.load(config)
    for function in SCALING:
        added_to = configured_policy(found, function) or {"Statement": []}
        names = [statement["Sid"] for statement in added_to["Statement"]]
        assert names == [ONLY, *added.get(function, [])], function
    assert not [name for name, is_on in stage.CONFIGURED.items() if is_on(found)]
    assert (found.understudy is not None) == ("understudy" in config)


@pytest.mark.parametrize("function", sorted(SCALING))
def test_no_statement_repeats_what_a_function_may_anyway(function: str) -> None:
    may = allowed(policy(function), Ask("application-autoscaling:DescribeScalableTargets"))
    assert may != (function in IN_REGIONS)
