"""Targets and their alarms: names, thresholds, what may be rewritten, and what a rewrite
changes."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config.policy import Policy
from chalicelib.core import table_alarms
from chalicelib.metrics import Metric
from chalicelib.model import Alarm, Dimension, Target
from tests.support.builders import (
    FOREIGN,
    INDEX_READS,
    INDEX_WRITES,
    READS,
    TOPIC,
    WRITES,
    alarm,
    policy,
)

NAMES = st.text("abc-_.9", min_size=3, max_size=255)
TARGETS = st.builds(Target, NAMES, st.just("") | NAMES, st.sampled_from(Dimension))


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (READS, "headroom-orders:read"),
        (WRITES, "headroom-orders:write"),
        (INDEX_READS, "headroom-orders/by-date:read"),
    ],
)
def test_an_alarm_is_named_after_its_target(target: Target, name: str) -> None:
    assert table_alarms.name_of(target) == name


@pytest.mark.slow
@given(TARGETS, TARGETS)
def test_different_targets_have_different_names_that_cloudwatch_takes(
    one: Target, other: Target
) -> None:
    assert (table_alarms.name_of(one) == table_alarms.name_of(other)) == (one == other)
    assert len(table_alarms.name_of(one)) <= 255


@pytest.mark.parametrize("length", [240, 241])
def test_a_name_is_cut_only_where_cloudwatch_would_refuse_it(length: int) -> None:
    name = table_alarms.name_of(Target("t" * length, "", Dimension.WRITE))
    assert (name == f"headroom-{'t' * length}:write", len(name)) == (length == 240, 255)


def test_long_names_that_differ_only_at_the_end_stay_different() -> None:
    names = {
        table_alarms.name_of(Target("t" * 250, "i" * 249 + end, Dimension.READ)) for end in "abc"
    }
    assert len(names) == 3
    assert all(re.fullmatch(r"headroom-t{233}-[0-9a-f]{12}", name) for name in names)


@pytest.mark.parametrize(("name", "ours"), [(None, True), (FOREIGN, False)])
def test_an_alarm_is_ours_by_its_name(name: str | None, ours: bool) -> None:
    assert table_alarms.is_ours(alarm(name=name)) is ours


@pytest.mark.parametrize(
    ("units", "period", "percent", "expected"),
    [
        (100, 60, 80, 4_800.0),
        (1, 60, 80, 48.0),
        (7, 60, 55, 231.0),
        (100, 300, 80, 24_000.0),
        (3, 60, 33, 59.4),
        (40_000, 3_600, 100, 144_000_000.0),
    ],
)
def test_a_threshold_is_units_times_period_times_percent(
    units: int, period: int, percent: int, expected: float
) -> None:
    assert table_alarms.threshold(units, period, policy(alarm_percent=percent)) == expected


@given(st.integers(1, 1_000_000), st.sampled_from([60, 300, 3_600]), st.integers(1, 100))
def test_a_threshold_is_as_exact_as_a_float_can_be(units: int, period: int, percent: int) -> None:
    assert (
        table_alarms.threshold(units, period, policy(alarm_percent=percent))
        == units * period * percent / 100
    )


@given(st.integers(1, 1_000_000), st.integers(1, 60), st.integers(1, 100))
def test_the_level_of_an_alarm_is_its_percentage_of_the_units_whatever_its_period(
    units: int, minutes: int, percent: int
) -> None:
    settings = policy(alarm_percent=percent, alarm_period_seconds=minutes * 60)
    assert table_alarms.level(alarm(READS, units, settings=settings).fields) == pytest.approx(
        units * percent / 100
    )


def test_a_new_alarm_has_these_fields_and_no_others() -> None:
    settings = policy(alarm_period_seconds=300, alarm_evaluation_periods=2, alarm_percent=70)
    assert table_alarms.new_fields(INDEX_WRITES, 10, settings, TOPIC) == {
        "AlarmName": "headroom-orders/by-date:write",
        "AlarmDescription": (
            "Headroom raises orders/by-date:write when this fires, and then rewrites the threshold."
        ),
        "Namespace": "AWS/DynamoDB",
        "MetricName": "ConsumedWriteCapacityUnits",
        "Dimensions": [
            {"Name": "TableName", "Value": "orders"},
            {"Name": "GlobalSecondaryIndexName", "Value": "by-date"},
        ],
        "Statistic": "Sum",
        "Period": 300,
        "EvaluationPeriods": 2,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 2_100.0,
        "ActionsEnabled": True,
        "AlarmActions": [TOPIC],
        "Tags": [
            {"Key": "managed-by", "Value": "headroom"},
            {"Key": "headroom-topic", "Value": TOPIC},
        ],
    }


def test_a_tables_alarm_has_the_tables_dimension_alone() -> None:
    assert table_alarms.new_fields(READS, 10, policy(), TOPIC)["Dimensions"] == [
        {"Name": "TableName", "Value": "orders"}
    ]


@pytest.mark.slow
@given(TARGETS, st.integers(1, 40_000))
def test_the_target_of_our_own_alarm_is_the_one_it_was_made_for(target: Target, units: int) -> None:
    assert (
        table_alarms.target_of_alarm(alarm(target, units))
        == table_alarms.watched(alarm(target, units))
        == target
    )


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        pytest.param(
            {"Metrics": [{"Id": "e1"}]},
            "it is a metric math or anomaly detection alarm",
            id="metric math",
        ),
        pytest.param(
            {"ThresholdMetricId": "ad1"},
            "it is a metric math or anomaly detection alarm",
            id="anomaly",
        ),
        pytest.param({"Threshold": None}, "it has no threshold", id="no threshold"),
        pytest.param(
            {"Namespace": "AWS/SQS"},
            "its namespace is AWS/SQS, not AWS/DynamoDB",
            id="another service",
        ),
        pytest.param({"Dimensions": []}, "it has no dimension TableName", id="no table"),
        pytest.param(
            {"MetricName": "ReadThrottleEvents"},
            "its metric ReadThrottleEvents is not consumption, so its threshold is not in units",
            id="throttling",
        ),
        pytest.param(
            {"Statistic": "Average"},
            "its statistic is Average: only Sum shows the load",
            id="average",
        ),
        pytest.param(
            {"Statistic": None, "ExtendedStatistic": "p99"},
            "its statistic is p99: only Sum shows the load",
            id="percentile",
        ),
        pytest.param(
            {"ComparisonOperator": "LessThanThreshold"},
            "it compares with LessThanThreshold",
            id="the other direction",
        ),
    ],
)
def test_an_alarm_whose_threshold_is_not_in_units_is_not_rewritten(
    fields: dict[str, Any], why: str
) -> None:
    assert table_alarms.target_of_alarm(alarm(name=FOREIGN, **fields)) == why


@pytest.mark.parametrize("comparison", ["GreaterThanThreshold", "GreaterThanOrEqualToThreshold"])
def test_an_alarm_on_load_above_a_threshold_may_be_rewritten(comparison: str) -> None:
    assert table_alarms.target_of_alarm(alarm(name=FOREIGN, ComparisonOperator=comparison)) == READS


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        pytest.param(
            {"MetricName": "WriteThrottleEvents"},
            WRITES,
            id="an alarm on throttling watches its target",
        ),
        pytest.param({"Statistic": "Average"}, READS, id="whatever its statistic"),
        pytest.param({"Namespace": "AWS/EC2"}, None, id="another service's watches none"),
        pytest.param(
            {"MetricName": None, "Namespace": None, "Dimensions": None},
            None,
            id="metric math watches none",
        ),
    ],
)
def test_what_an_alarm_watches(fields: dict[str, Any], target: Target | None) -> None:
    assert table_alarms.watched(alarm(name=FOREIGN, **fields)) == target


def test_a_metric_is_read_by_names_not_by_positions() -> None:
    fields = alarm(INDEX_READS).fields
    assert isinstance(fields["Dimensions"], list)
    turned = {**fields, "Dimensions": fields["Dimensions"][::-1]}
    named = {"TableName": "orders", "GlobalSecondaryIndexName": "by-date"}
    assert table_alarms.metric_of(turned) == Metric(
        "AWS/DynamoDB", "ConsumedReadCapacityUnits", named
    )


MINUTELY = policy()
FIVE = policy(alarm_period_seconds=300, alarm_evaluation_periods=3)


@pytest.mark.parametrize(
    ("watching", "units", "settings", "changes"),
    [
        pytest.param(alarm(), 100, MINUTELY, {}, id="it fits"),
        pytest.param(alarm(), 150, MINUTELY, {"Threshold": 7_200.0}, id="other units"),
        pytest.param(
            alarm(Threshold=4_801.0), 100, MINUTELY, {"Threshold": 4_800.0}, id="it drifted"
        ),
        pytest.param(
            alarm(Threshold=4_800), 100, MINUTELY, {}, id="a whole number is right as well"
        ),
        pytest.param(
            alarm(),
            100,
            FIVE,
            {"Period": 300, "EvaluationPeriods": 3, "Threshold": 24_000.0},
            id="ours follows the configuration",
        ),
        pytest.param(
            alarm(EvaluationPeriods=2),
            100,
            MINUTELY,
            {"EvaluationPeriods": 1},
            id="ours, its periods drifted",
        ),
        pytest.param(
            alarm(name=FOREIGN), 100, FIVE, {}, id="a foreign alarm that fits its own period"
        ),
        pytest.param(
            alarm(name=FOREIGN, Period=300, EvaluationPeriods=5),
            150,
            MINUTELY,
            {"Threshold": 36_000.0},
            id="a foreign alarm keeps its period",
        ),
    ],
)
def test_a_rewrite_changes_what_does_not_fit_and_nothing_else(
    watching: Alarm, units: int, settings: Policy, changes: dict[str, Any]
) -> None:
    assert table_alarms.differences(watching, units, settings) == changes


@pytest.mark.slow
@given(st.integers(1, 40_000), st.integers(1, 40_000), st.integers(1, 60), st.booleans())
def test_a_rewritten_alarm_fits(before: int, units: int, minutes: int, ours: bool) -> None:
    settings = policy(alarm_period_seconds=60 * minutes)
    found = alarm(READS, before, name=None if ours else FOREIGN)
    assert (
        table_alarms.differences(
            Alarm({**found.fields, **table_alarms.differences(found, units, settings)}),
            units,
            settings,
        )
        == {}
    )


@pytest.mark.parametrize(
    ("name", "actions", "may"),
    [
        pytest.param(None, [TOPIC], True, id="our own"),
        pytest.param(None, [], True, id="our own, without its actions"),
        pytest.param(None, [f"{TOPIC}-prod"], False, id="another stage's"),
        pytest.param(FOREIGN, [f"{TOPIC}-prod", TOPIC], True, id="somebody's that calls us too"),
        pytest.param(FOREIGN, [], False, id="somebody's"),
        pytest.param(
            FOREIGN,
            ["arn:aws:lambda:us-east-1:123456789012:function:headroom-dev-on_action"],
            True,
            id="somebody's that calls our function",
        ),
    ],
)
def test_only_alarms_that_call_us_are_rewritten(
    name: str | None, actions: list[str], may: bool
) -> None:
    found = alarm(name=name) if name else alarm()
    fields = {**found.fields, "AlarmActions": actions}
    assert table_alarms.calls_headroom(Alarm(fields), TOPIC) is may


@pytest.mark.parametrize(
    ("function", "may"),
    [
        ("headroom-dev-on_action", True),
        ("headroom-dev-on_action:live", True),
        ("headroom-dev-2-on_action", False),
        ("headroom-prod-on_action", False),
    ],
)
def test_a_function_rewrites_alarms_that_call_a_function_of_its_own_stage(
    function: str, may: bool
) -> None:
    place = "arn:aws:lambda:us-east-1:123456789012:function"
    found = Alarm({**alarm(name=FOREIGN).fields, "AlarmActions": [f"{place}:{function}"]})
    assert table_alarms.calls_headroom(found, TOPIC, f"{place}:headroom-dev") is may
    assert table_alarms.calls_headroom(found, TOPIC)  # the command line knows no stage


def test_when_an_alarm_went_to_alarm_is_known_of_consumption_alone() -> None:
    at = datetime(2026, 11, 2, 12, tzinfo=UTC)
    firing = {"StateValue": "ALARM", "StateTransitionedTimestamp": at}
    older = {**firing, "StateTransitionedTimestamp": at - timedelta(minutes=1)}
    alarms = [
        Alarm({**alarm(READS).fields, **firing}),
        Alarm({**alarm(READS).fields, **older}),
        Alarm({**alarm(WRITES).fields, **firing, "StateValue": "OK"}),
        Alarm({**alarm(INDEX_READS).fields, **firing, "MetricName": "ReadThrottleEvents"}),
    ]
    assert table_alarms.alarmed_at(alarms) == {READS: at}


@pytest.mark.parametrize(
    ("states", "may"),
    [
        ([], True),
        (["OK"], False),
        (["ALARM"], True),
        (["INSUFFICIENT_DATA"], True),
        (["OK", "ALARM"], True),
        (["OK", "OK"], False),
    ],
    ids=str,
)
def test_a_target_may_call_unless_all_its_alarms_are_ok(states: list[str], may: bool) -> None:
    alarms = [Alarm({**alarm(READS).fields, "StateValue": state}) for state in states]
    assert table_alarms.may_call(alarms)(READS) is may
    assert table_alarms.may_call(alarms)(WRITES)
