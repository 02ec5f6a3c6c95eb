"""A role is pinned to its account, Region, topic and stage, and may still do all of its work."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.config.loader import load
from chalicelib.core import instance_alarms, table_alarms
from chalicelib.model import Target
from headroom.deploy import blueprint, permissions, sam, setup, terraform
from headroom.deploy.stage import Stage, complete
from headroom.deploy.stage_policy import LONGEST, pins, room, stage_policy
from tests.support.builders import FOREIGN, READS, policy
from tests.support.deployed import account, dev, set_up
from tests.support.iam import AWS, OWN_ALARM, TABLE, THEIR_ALARM, Ask, Policy, allowed
from tests.support.judge import policy_of
from tests.support.scenes import rules

ACTIONS, TAG = "cloudwatch:AlarmActions", "aws:ResourceTag/headroom-topic"
PUT, DELETE = "cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"
TOPIC, PROD = AWS.arn("sns", "headroom-alarms-dev"), AWS.arn("sns", "headroom-alarms")
PAGES, EC2_STOP = AWS.arn("sns", "pages"), f"arn:aws:automate:{AWS.region}:ec2:stop"
ABOUT_PROD = AWS.arn("cloudwatch", "alarm:headroom-prod-silence")
FOREIGN_PLACES = [replace(AWS, account="210987654321"), replace(AWS, region="eu-west-1")]


def role(topic: str = "headroom-alarms-dev", config: str = "", sources: str = "topic") -> Policy:
    """Return all that the sweep of stage dev may do."""
    return policy_of("sweep", config or rules("*"), AWS, topic, sources)


def put(alarm: str = OWN_ALARM, *actions: str, tag: str = "") -> Ask:
    return Ask(PUT, alarm, {ACTIONS: actions, TAG: [tag]} if tag else {ACTIONS: actions})


def delete(alarm: str = OWN_ALARM, tag: str = "") -> Ask:
    return Ask(DELETE, alarm, {TAG: [tag]} if tag else {})


ALLOWED = {
    "make an own alarm": put(OWN_ALARM, TOPIC),
    "rewrite it": put(OWN_ALARM, TOPIC, tag=TOPIC),
    "rewrite it, with an action that an operator added": put(OWN_ALARM, PAGES, TOPIC, tag=TOPIC),
    "rewrite it without any action": Ask(PUT, OWN_ALARM, {TAG: [TOPIC]}),
    "rewrite somebody's alarm on the topic": put(THEIR_ALARM, PAGES, TOPIC),
    "delete an own alarm": delete(tag=TOPIC),
    "delete one that an older version made": delete(),
    "tag an own alarm": Ask("cloudwatch:TagResource", OWN_ALARM, {TAG: [TOPIC]}),
    "set capacity": Ask("dynamodb:UpdateTable", TABLE),
}
#: What is denied, by the statement that denies it. Without the statement it would be allowed.
DENIED = {
    "OnlyThisAccountAndRegion": [
        ask
        for place in FOREIGN_PLACES
        for ask in (
            Ask("dynamodb:UpdateTable", place.arn("dynamodb", "table/orders")),
            put(place.arn("cloudwatch", "alarm:headroom-orders:read"), TOPIC),
        )
    ],
    "NoAlarmThatCallsOthersOnly": [
        put(OWN_ALARM, PROD),
        put(OWN_ALARM, PAGES),
        put(THEIR_ALARM, PROD),
        put(THEIR_ALARM, AWS.arn("lambda", "function:headroom-dev-on_action")),
    ],
    "NoAlarmThatStopsInstances": [put(OWN_ALARM, TOPIC, EC2_STOP)],
    "NoAlarmOfAnotherStage": [put(OWN_ALARM, TOPIC, tag=PROD), delete(tag=PROD)],
    "NoAlarmAboutHeadroom": [put(ABOUT_PROD, TOPIC), delete(ABOUT_PROD)],
}


@pytest.mark.parametrize("ask", ALLOWED.values(), ids=ALLOWED)
def test_a_stage_may_do_its_work(ask: Ask) -> None:
    assert allowed(role(), ask)


@pytest.mark.parametrize("sid", DENIED)
def test_each_statement_denies_what_is_not_the_stages(sid: str) -> None:
    less: Any = deepcopy(role())
    less["Statement"] = [s for s in less["Statement"] if s["Sid"] != sid]
    assert [ask for ask in DENIED[sid] if allowed(role(), ask)] == []
    assert [ask for ask in DENIED[sid] if not allowed(less, ask)] == []


def test_every_statement_has_a_row() -> None:
    assert {s["Sid"] for s in pins(dev(), AWS, load(""))} == set(DENIED)


def test_with_workers_only_the_queues_of_the_stage_may_be_used() -> None:
    with_workers = role(config=rules("*") + "\n[fan_out]\nworkers = 2\n")

    def may(queue: str) -> bool:
        return allowed(with_workers, Ask("sqs:SendMessage", AWS.arn("sqs", queue)))

    assert may("headroom-dev-groups")
    assert may("headroom-dev-dead-letters")
    assert not may("headroom-prod-groups")
    assert not may("headroom-dev-2-groups")


def test_alarms_on_a_topic_of_ones_own_may_be_rewritten() -> None:
    """The shipped policies allow topics named headroom-* only."""
    own, other = AWS.arn("sns", "capacity"), AWS.arn("sns", "capacity-2")
    with_topic = role(own)
    assert allowed(with_topic, put(THEIR_ALARM, own))
    assert allowed(with_topic, put(OWN_ALARM, own))
    assert not allowed(with_topic, put(THEIR_ALARM, other))
    assert not allowed(with_topic, put(THEIR_ALARM, TOPIC))
    assert not allowed(role(), put(THEIR_ALARM, own))


def test_the_function_of_the_stage_counts_as_the_stage_where_it_is_deployed() -> None:
    mine, theirs = (
        put(THEIR_ALARM, AWS.arn("lambda", f"function:headroom-{stage}-on_action"))
        for stage in ("dev", "prod")
    )
    assert allowed(role(sources="topic,lambda"), mine)
    assert not allowed(role(sources="topic,lambda"), theirs)


def test_where_instances_are_healed_an_alarm_may_recover_one() -> None:
    healing = rules("*") + '\n[[healing]]\ngroup = "web"\naction = "recover"\n'
    recover = put(AWS.arn("cloudwatch", "alarm:headroom-instance/i-1:recovery"), TOPIC, EC2_STOP)
    assert allowed(role(config=healing), recover)
    assert not allowed(role(), recover)


def test_a_role_that_several_regions_share_is_pinned_to_none_of_them() -> None:
    shared = {
        "Version": "2012-10-17",
        "Statement": [
            *pins(dev(), replace(AWS, region="*"), load("")),
            {"Effect": "Allow", "Action": PUT, "Resource": "*"},
        ],
    }
    for place in (AWS, replace(AWS, region="eu-west-1")):
        alarm, topic = place.arn("cloudwatch", "alarm:headroom-a:read"), dev().topic_arn(place)
        assert allowed(shared, put(alarm, topic, tag=topic))
        prod = place.arn("sns", "headroom-alarms")
        assert not allowed(shared, put(alarm, prod))
        assert not allowed(shared, put(alarm, topic, tag=prod))


def names() -> Iterator[str]:
    """Yield the names of all alarms that functions write."""
    yield from (
        table_alarms.name_of(Target("orders-errors", index, READS.dimension)) for index in ("", "x")
    )
    yield table_alarms.name_of(Target("t" * 255, "silence", READS.dimension))
    for action in ("replace", "recover"):
        (rule,) = load(f'[[healing]]\ngroup = "web"\naction = "{action}"\n').healing
        yield instance_alarms.name_of("i-1", rule)


@pytest.mark.parametrize("name", list(names()))
def test_no_alarm_of_a_table_or_instance_is_taken_for_one_about_headroom(name: str) -> None:
    assert allowed(role(), put(AWS.arn("cloudwatch", f"alarm:{name}"), TOPIC))


def test_each_alarm_that_headroom_makes_has_the_tag_of_its_topic() -> None:
    tag = {"Key": "headroom-topic", "Value": TOPIC}
    (rule,) = load('[[healing]]\ngroup = "web"\n').healing
    assert tag in table_alarms.new_fields(READS, 5, policy(), TOPIC)["Tags"]
    assert tag in instance_alarms.new_fields("i-1", "web", rule, TOPIC)["Tags"]


@pytest.mark.slow(traced=True)
def test_setup_tags_the_alarms_of_older_versions_once() -> None:
    with account() as session:
        set_up(dev(), session, ("sweep",))
        cloudwatch, topic = session.client("cloudwatch"), dev().topic_arn(session.location)
        fields = table_alarms.new_fields(READS, 5, policy(), topic)
        cloudwatch.put_metric_alarm(**{**fields, "Tags": []})
        cloudwatch.put_metric_alarm(**{**fields, "Tags": [], "AlarmName": FOREIGN})
        marks = [r for r in steps(session) if r.subject == "tags of the alarms"]
        assert [o.result for o in setup.setup(marks, session)] == ["already correct"]
        sqs = session.client("sqs")
        url = sqs.get_queue_url(QueueName=dev().dead_letters)["QueueUrl"]
        sqs.untag_queue(QueueUrl=url, TagKeys=["headroom-topic"])
        assert [o.result for o in setup.setup(marks, session)] == ["applied"]
        assert [o.result for o in setup.setup(marks, session)] == ["already correct"]
        tags = {
            alarm["AlarmName"]: cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])[
                "Tags"
            ]
            for alarm in cloudwatch.describe_alarms()["MetricAlarms"]
        }
        assert tags[fields["AlarmName"]] == [{"Key": "headroom-topic", "Value": topic}]
        assert tags[FOREIGN] == []


def steps(session: Any) -> Any:
    return setup.resources_of_functions(dev(), session, ("sweep",), load(""))


# the quota


@pytest.mark.parametrize("location", [AWS, LONGEST, sam.LOCATION, terraform.LOCATION])
def test_every_place_and_template_names_the_same_tables(location: Any) -> None:
    config = load("".join(f'[[tables]]\nname = "orders-{n:03}"\n' for n in range(400)))
    found = stage_policy(dev(), location, config, "sweep")["Statement"]
    expected = permissions.configured_policy(config, "sweep", room(dev(), config))
    assert expected
    assert found[: len(expected["Statement"])] == expected["Statement"]


def test_the_longest_policy_fits() -> None:
    stage = Stage("headroom", "s" * 20, {"ALARM_TOPIC": "t" * 256, "ALARM_SOURCES": "topic,lambda"})
    config = load("".join(f'[[tables]]\nname = "orders-{n:03}"\n' for n in range(400)))
    whole = stage_policy(stage, LONGEST, config, "sweep")["Statement"]
    assert permissions.characters(whole) <= permissions.ROOM


def test_the_names_of_the_alarms_about_headroom_are_those_that_are_made() -> None:
    whole = complete(dev(), load("[fan_out]\nworkers = 2\n"))
    assert blueprint.own_alarm_names(whole) == blueprint.possible_alarm_names(whole)
    assert set(blueprint.own_alarm_names(dev())) < set(blueprint.possible_alarm_names(dev()))
