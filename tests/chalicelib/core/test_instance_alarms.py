"""The alarms of instances: their fields, their names, and when a refusal is notified."""

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.aws import groups
from chalicelib.core import instance_alarms, table_alarms
from chalicelib.core.healing import InstanceGroup
from chalicelib.core.notices import NotificationState
from chalicelib.core.table_alarms import is_ours as is_a_tables
from chalicelib.core.table_alarms import name_of as name_of_table
from chalicelib.healing.notify import is_due
from chalicelib.model import Alarm, Dimension, Target
from tests.chalicelib.core.test_healing import MINUTE, member, rule
from tests.support.builders import NOON, TOPIC
from tests.support.laws import COSTLY


def alarm(settings: dict[str, Any] | None = None, **fields: Any) -> Alarm:
    return Alarm(
        {**instance_alarms.new_fields("i-0abc", "web", rule(**(settings or {})), TOPIC), **fields}
    )


def test_an_instances_alarm_fires_when_any_check_fails_twice() -> None:
    assert alarm().fields == {
        "AlarmName": "headroom-instance/i-0abc:status",
        "AlarmDescription": (
            "Headroom looks at instance i-0abc of group web when its status checks fail."
        ),
        "Namespace": "AWS/EC2",
        "MetricName": "StatusCheckFailed",
        "Dimensions": [{"Name": "InstanceId", "Value": "i-0abc"}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 2,
        "DatapointsToAlarm": 2,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 1.0,
        "TreatMissingData": "missing",
        "ActionsEnabled": True,
        "AlarmActions": [TOPIC],
        "Tags": table_alarms.tags(TOPIC),
    }


def test_a_recovery_is_the_alarms_own_action_on_the_systems_check_in_the_topics_partition() -> None:
    topic = "arn:aws-cn:sns:cn-north-1:123456789012:headroom-alarms"
    fields = instance_alarms.new_fields("i-0abc", "web", rule(action="recover"), topic)
    assert (fields["AlarmName"], fields["MetricName"], fields["AlarmActions"]) == (
        "headroom-instance/i-0abc:recovery",
        "StatusCheckFailed_System",
        [topic, "arn:aws-cn:automate:cn-north-1:ec2:recover"],
    )


NAMES = st.from_regex(re.compile(r"[a-zA-Z0-9_.-]{3,60}"), fullmatch=True)


@pytest.mark.slow
@COSTLY
@given(
    NAMES,
    NAMES | st.just(""),
    st.sampled_from(Dimension),
    st.from_regex(r"i-[0-9a-f]{8,17}", fullmatch=True),
)
def test_no_tables_alarm_has_the_name_of_an_instances(
    table: str, index: str, dimension: Dimension, instance: str
) -> None:
    names = {
        instance_alarms.name_of(instance, rule(action=action)) for action in ("replace", "recover")
    }
    assert name_of_table(Target(table, index, dimension)) not in names


def test_an_instances_alarm_is_headrooms_by_name_and_metric_and_no_tables() -> None:
    assert (
        instance_alarms.is_ours(alarm()),
        is_a_tables(alarm()),
        instance_alarms.is_ours(alarm(AlarmName="web-status")),
        instance_alarms.is_ours(alarm(Dimensions=[{"Name": "InstanceId", "Value": "i-0def"}])),
        instance_alarms.is_ours(alarm(Namespace="AWS/DynamoDB")),
    ) == (True, False, False, False, False)


def test_a_reboot_is_written_into_the_alarms_description_and_read_from_it() -> None:
    assert instance_alarms.rebooted_at(alarm()) is None
    once = Alarm({**alarm().fields, **instance_alarms.rebooting(alarm(), NOON)})
    assert once.fields["AlarmDescription"] == (
        "Headroom looks at instance i-0abc of group web when its status checks fail. "
        "Rebooted at 2026-11-20T12:00:00+00:00."
    )
    twice = Alarm({**once.fields, **instance_alarms.rebooting(once, NOON + MINUTE)})
    assert (
        str(twice.fields["AlarmDescription"]).count("Rebooted"),
        instance_alarms.rebooted_at(twice),
    ) == (1, NOON + MINUTE)


@pytest.mark.parametrize(
    "text", ["", "Rebooted", "x Rebooted at noon.", "x Rebooted at 2026-11-20T12:00:00."]
)
def test_a_description_that_tells_no_sure_time_tells_none(text: str) -> None:
    assert instance_alarms.rebooted_at(alarm(AlarmDescription=text)) is None


def test_the_alarms_are_for_those_in_service_and_recovery_spares_the_protected() -> None:
    group = InstanceGroup(
        "web", (member("i-1"), member("i-2", lifecycle="Standby"), member("i-3", protected=True))
    )
    assert (
        list(instance_alarms.wanted(group, rule())),
        list(instance_alarms.wanted(group, rule(action="recover"))),
    ) == (["i-1", "i-3"], ["i-1"])


# when a refusal is notified


@pytest.mark.parametrize(
    ("state", "minutes_sick", "told_minutes_ago", "expected"),
    [
        pytest.param("ALARM", 5, None, True, id="never reported"),
        pytest.param("ALARM", 5, 3, False, id="reported since it fails"),
        pytest.param("ALARM", 5, 6, True, id="reported the last time"),
        pytest.param("OK", 5, None, False, id="its own alarm will call"),
    ],
)
def test_a_refusal_is_notified_once_for_each_time_of_being_sick(
    state: str, minutes_sick: int, told_minutes_ago: int | None, expected: bool
) -> None:
    memory = NotificationState(
        notified=None if told_minutes_ago is None else NOON - MINUTE * told_minutes_ago
    )
    assert (
        is_due(
            alarm(StateValue=state, StateTransitionedTimestamp=NOON - MINUTE * minutes_sick),
            memory,
            NOON,
        )
        is expected
    )


def test_without_an_alarm_of_its_own_a_refusal_is_notified_once_a_day() -> None:
    assert (
        is_due(None, NotificationState(), NOON),
        is_due(None, NotificationState(notified=NOON - timedelta(hours=23)), NOON),
        is_due(None, NotificationState(notified=NOON - timedelta(hours=24)), NOON),
    ) == (True, False, True)


# what Auto Scaling reports


@pytest.mark.parametrize(
    ("cause", "counts"),
    [
        (
            "At 2021-04-01T21:48:35Z an instance was taken out of service in response to a "
            "user health-check.",
            True,
        ),
        (
            "At 2026-11-20T11:00:00Z an instance was taken out of service in response to an "
            "EC2 instance status checks failure.",
            True,
        ),
        (
            "At … an instance was taken out of service in response to a EC2 health check "
            "indicating it has been terminated.",
            True,
        ),
        (
            "At … an instance was taken out of service in response to an ELB system health "
            "check failure.",
            True,
        ),
        (
            "At … instance i-0abc was taken out of service in response to a user request, "
            "shrinking the capacity from 4 to 3.",
            False,
        ),
        (
            "At … an instance was taken out of service in response to a difference between "
            "desired and actual capacity.",
            False,
        ),
    ],
)
def test_of_what_was_taken_out_of_service_only_what_was_for_its_health_counts(
    cause: str, counts: bool
) -> None:
    assert bool(groups.REPLACED.search(cause)) is counts
