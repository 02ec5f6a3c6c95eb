"""Healing: the messages that start it."""

import json
from typing import Any

import pytest

from chalicelib.events import InstanceEvent, from_event, from_queue, from_sns
from chalicelib.metrics import EC2
from chalicelib.model import Reason, Skip
from headroom.region.context import ACCOUNT, Fault
from headroom.region.events import sns_event
from headroom.region.region import Region
from tests.support.builders import TOPIC
from tests.support.healing import (
    alarm_of,
    healing,
    touched,
    verdicts,
    web,
)
from tests.support.scenes import (
    alarm_message,
)

pytestmark = pytest.mark.scene.with_args(web)

EVERY_WAY = "topic,lambda,eventbridge,queue"


def data(instance: str, name: str = "StatusCheckFailed") -> dict[str, Any]:
    metric = {"namespace": EC2, "name": name, "dimensions": {"InstanceId": instance}}
    return {
        "alarmName": alarm_of(instance),
        "state": {"value": "ALARM"},
        "configuration": {
            "metrics": [
                {"id": "m", "metricStat": {"metric": metric, "period": 60, "stat": "Maximum"}}
            ]
        },
    }


def ways(region: Region, instance: str) -> dict[str, dict[str, Any]]:
    arn = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{alarm_of(instance)}"
    text = json.dumps(alarm_message(region, name=alarm_of(instance)))
    change = {
        "detail-type": "CloudWatch Alarm State Change",
        "resources": [arn],
        "detail": data(instance),
    }
    return {
        "on_alarm": sns_event(TOPIC, text, "ALARM", region.now),
        "on_action": {"alarmArn": arn, "alarmData": data(instance)},
        "on_event": {
            "version": "0",
            "id": "1",
            "source": "aws.cloudwatch",
            "account": ACCOUNT,
            "time": "",
            "region": "us-east-1",
            **change,
        },
        "on_queue": queued(text),
    }


def queued(*bodies: str) -> dict[str, Any]:
    records = [
        {"messageId": str(n), "body": body, "receiptHandle": "r", "attributes": {}}
        for n, body in enumerate(bodies)
    ]
    return {"Records": records}


# every way in


@pytest.mark.parametrize("function", ["on_alarm", "on_action", "on_event", "on_queue"])
@pytest.mark.scene(web, ALARM_SOURCES=EVERY_WAY)
def test_by_whichever_way_the_alarm_comes_the_instance_is_healed(
    region: Region, ids: list[str], function: str
) -> None:
    region.groups.fail_checks(ids[0])
    invocation = region.functions.invoke(function, ways(region, ids[0])[function])
    assert (verdicts(invocation), touched(region)) == ({ids[0]: "StatusCheckFailed"}, [ids[0]])


@pytest.mark.parametrize(
    "metric",
    [
        "StatusCheckFailed",
        "StatusCheckFailed_Instance",
        "StatusCheckFailed_System",
        "StatusCheckFailed_AttachedEBS",
    ],
)
def test_each_of_the_status_checks_metrics_is_an_event_found_by_the_dimensions_name(
    metric: str,
) -> None:
    dimensions = [
        {"name": "AutoScalingGroupName", "value": "web"},
        {"name": "InstanceId", "value": "i-0abc"},
    ]
    message = {
        "AlarmName": "web",
        "NewStateValue": "ALARM",
        "AlarmArn": "arn:aws-cn:cloudwatch:cn-north-1:999999999999:alarm:web",
        "Trigger": {"Namespace": EC2, "MetricName": metric, "Dimensions": dimensions},
    }
    assert from_sns(json.dumps(message)) == InstanceEvent(
        "web", "i-0abc", "cn-north-1", "999999999999"
    )
    event = {"alarmArn": message["AlarmArn"], "alarmData": data("i-0abc", metric)}
    assert from_event(event) == InstanceEvent(
        alarm_of("i-0abc"), "i-0abc", "cn-north-1", "999999999999"
    )


@pytest.mark.parametrize(
    ("trigger", "why"),
    [
        (
            {"MetricName": "CPUUtilization"},
            "its metric CPUUtilization is no status check of an instance",
        ),
        (
            {"Dimensions": [{"name": "AutoScalingGroupName", "value": "web"}]},
            "it has no dimension InstanceId",
        ),
    ],
)
def test_any_other_alarm_on_ec2_is_passed_over(trigger: dict[str, Any], why: str) -> None:
    base = {
        "Namespace": EC2,
        "MetricName": "StatusCheckFailed",
        "Dimensions": [{"name": "InstanceId", "value": "i-0abc"}],
    }
    event = from_sns(
        json.dumps({"AlarmName": "web", "NewStateValue": "ALARM", "Trigger": {**base, **trigger}})
    )
    assert event == Skip("web", Reason.UNSUPPORTED_ALARM, f"cannot scale by this alarm: {why}")


# what the peers of 2014 lost


@pytest.mark.scene(web, healing(max_instances=2, max_percent=40), ALARM_SOURCES=EVERY_WAY)
def test_a_message_whose_healing_failed_comes_back_to_the_queue_and_is_not_deleted(
    region: Region, ids: list[str]
) -> None:
    bodies = [json.dumps(alarm_message(region, name=alarm_of(i))) for i in ids[:2]]
    region.groups.fail_checks(ids[1])
    region.faults.append(
        Fault("SetInstanceHealth", "ValidationError", matches=lambda p: p["InstanceId"] == ids[1])
    )
    assert region.functions.answer("on_queue", queued(*bodies)) == {
        "batchItemFailures": [{"itemIdentifier": "0"}]
    }
    assert region.functions.answer("on_queue", queued(bodies[0])) == {"batchItemFailures": []}
    assert touched(region) == [ids[1]] * 2


@pytest.mark.scene(web, ALARM_SOURCES=EVERY_WAY)
def test_quotes_and_backslashes_in_an_alarm_change_nothing_of_its_message(
    region: Region, ids: list[str]
) -> None:
    region.groups.fail_checks(ids[0])
    message = alarm_message(
        region,
        name=alarm_of(ids[0]),
        AlarmName='say "sick!!" \\" twice',
        AlarmDescription='a \\"quoted\\" text!!',
    )
    body = json.dumps({"Type": "Notification", "TopicArn": TOPIC, "Message": json.dumps(message)})
    assert from_queue(body) == InstanceEvent('say "sick!!" \\" twice', ids[0], "us-east-1", ACCOUNT)
    assert verdicts(region.functions.invoke("on_queue", queued(body))) == {
        ids[0]: "StatusCheckFailed"
    }


def test_after_three_failed_tries_a_message_is_a_dead_letter_and_the_instance_is_healed(
    region: Region, ids: list[str]
) -> None:
    region.faults.append(Fault("DescribeAutoScalingInstances", "AccessDenied", times=8))
    region.groups.fail_checks(ids[0])
    region.run(9)
    assert "on_alarm" in {letter.function for letter in region.functions.dead_letters}
    assert touched(region) == [ids[0]]
