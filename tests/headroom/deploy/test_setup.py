"""A stage is set up, found right, and taken down: in moto step by step, and by the commands of an
operator on a server."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec import structs

from chalicelib import telemetry
from chalicelib.config.loader import load
from chalicelib.config.rules import Config
from chalicelib.core import table_alarms
from chalicelib.run import Report
from headroom.deploy import blueprint, setup, stage, teardown
from headroom.deploy.account import AwsSession, Location
from headroom.deploy.resources import ConfiguredPolicy, OwnAlarm, Queue, Resource
from headroom.deploy.stage import Stage, StageError
from headroom.deploy.stage_policy import stage_policy
from headroom.project import timeout_seconds
from headroom.region.region import Region
from tests.support.builders import READS, policy
from tests.support.deployed import (
    ALL_FUNCTIONS,
    ALL_SOURCES,
    BEFORE_CALLS,
    FUNCTIONS,
    account,
    configured,
    dev,
    inventory,
    make_functions,
    make_table,
    set_up,
    shipped_rules,
    tear_down,
)
from tests.support.iam import Ask, allowed
from tests.support.scenes import MIDDAY, invoke, rules

LOCATIONS = [
    Location("aws", "eu-west-1", "1"),
    Location("aws-cn", "cn-north-1", "2"),
    Location("aws-us-gov", "us-gov-west-1", "3"),
]


def all_resources(
    settings: Stage,
    session: AwsSession,
    names: tuple[str, ...] = FUNCTIONS,
    rules: Config | None = None,
) -> list[Resource]:
    after = setup.resources_of_functions(settings, session, names, rules or shipped_rules())
    return [*setup.resources_before_functions(settings, session), *after]


# setting up


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize(
    ("more", "names"), [({}, FUNCTIONS), (ALL_SOURCES, ALL_FUNCTIONS)], ids=["plain", "all sources"]
)
def test_after_setup_everything_is_right_and_a_second_setup_changes_nothing(
    more: dict[str, str], names: tuple[str, ...], tmp_path: Path
) -> None:
    with account() as session:
        settings = dev(**more)
        set_up(settings, session, names)
        assert [
            o
            for o in setup.setup(all_resources(settings, session, names), session)
            if o.result == "applied"
        ] == []
        tear_down(settings, session, tmp_path)
        assert inventory(session.client) == set()


def test_a_queues_function_gives_back_only_what_failed() -> None:
    with account() as session:
        set_up(dev(**ALL_SOURCES), session, ALL_FUNCTIONS)
        (mapping,) = session.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.slow(traced=True)
def test_a_stage_with_workers_has_their_queue_and_as_many_of_them(tmp_path: Path) -> None:
    config = load(rules() + "\n[fan_out]\nworkers = 7\n")
    settings = stage.complete(dev(), config)
    with account() as session:
        set_up(settings, session, settings.functions, config)
        (mapping,) = session.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["ScalingConfig"] == {"MaximumConcurrency": 7}
        again = setup.setup(all_resources(settings, session, settings.functions, config), session)
        assert [outcome for outcome in again if outcome.result == "applied"] == []
        tear_down(settings, session, tmp_path)
        assert inventory(session.client) == set()


def test_the_topic_and_the_queues_come_before_chalice_and_need_no_function() -> None:
    with account() as session:
        outcomes = list(
            setup.setup(setup.resources_before_functions(dev(**ALL_SOURCES), session), session)
        )
        assert [o.subject for o in outcomes] == [
            "queue headroom-dev-dead-letters",
            "topic headroom-alarms-dev",
            "queue headroom-buffer-dev",
            "subscription of headroom-buffer-dev",
        ]
        assert setup.functions_of(dev(), session) == []


@pytest.mark.slow
def test_a_topic_that_is_named_by_its_arn_is_somebody_elses_and_stays_as_it_is(
    tmp_path: Path,
) -> None:
    with account() as session:
        arn = session.client("sns").create_topic(Name="pages")["TopicArn"]
        before = session.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]
        settings = dev(ALARM_TOPIC=arn)
        set_up(settings, session)
        assert (
            session.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]
            == before
        )
        tear_down(settings, session, tmp_path)
        assert inventory(session.client) == {arn}


@pytest.mark.slow(traced=True)
def test_what_drifts_is_told_and_put_right() -> None:
    with account() as session:
        set_up(dev(), session)
        session.client("lambda").delete_function_event_invoke_config(
            FunctionName="headroom-dev-on_alarm"
        )
        session.client("logs").put_retention_policy(
            logGroupName="/aws/lambda/headroom-dev-sweep", retentionInDays=1
        )
        session.client("cloudwatch").delete_alarms(AlarmNames=["headroom-dev-silence"])
        topic = dev().topic_arn(session.location)
        session.client("sns").set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue="{}"
        )
        outcomes = list(setup.setup(all_resources(dev(), session), session))
        assert {(o.subject, *o.details) for o in outcomes if o.result == "applied"} == {
            ("topic headroom-alarms-dev", "its Policy is different"),
            (
                "retries and dead letters of headroom-dev-on_alarm",
                "Lambda's defaults are in force, and a message that fails is lost",
            ),
            ("log group /aws/lambda/headroom-dev-sweep", "it keeps logs 1 day, not 14 days"),
            ("alarm headroom-dev-silence", "it does not exist"),
        }


@pytest.mark.slow
def test_the_operators_topic_gets_the_alarms_and_without_one_their_own_actions_are_kept() -> None:
    with account() as session:
        set_up(dev(), session)
        arn = session.location.arn("sns", "pages")
        alarm = OwnAlarm(blueprint.own_alarms(dev(), {}, "q", [])[1])
        session.client("cloudwatch").put_metric_alarm(**{**alarm.expected, "AlarmActions": [arn]})
        list(setup.setup(all_resources(dev(), session), session))
        response = session.client("cloudwatch").describe_alarms()["MetricAlarms"]
        assert {a["AlarmName"]: a["AlarmActions"] for a in response}[
            alarm.expected["AlarmName"]
        ] == [arn]
        list(setup.setup(all_resources(dev(OPERATIONS_TOPIC="ops"), session), session))
        response = session.client("cloudwatch").describe_alarms()["MetricAlarms"]
        assert [a["AlarmActions"] for a in response] == [[session.location.arn("sns", "ops")]] * 3


# what the configuration says of the roles


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "names"), [({}, FUNCTIONS), (ALL_SOURCES, ALL_FUNCTIONS)], ids=["plain", "all sources"]
)
def test_every_role_gets_what_the_configuration_calls_for_besides_its_own_policy(
    more: dict[str, str], names: tuple[str, ...]
) -> None:
    with account() as session:
        set_up(dev(**more), session, names, load(rules("orders-*")))
        for name in names:
            role = f"headroom-dev-{name}-us-east-1"
            assert configured(session, role) == stage_policy(
                dev(**more), session.location, load(rules("orders-*")), name
            )
            assert len(session.client("iam").list_role_policies(RoleName=role)["PolicyNames"]) == 2


def changes(session: AwsSession, config: str) -> dict[str, tuple[str, ...]]:
    steps = all_resources(dev(), session, rules=load(config))
    return {o.subject: o.details for o in setup.setup(steps, session) if o.result == "applied"}


@pytest.mark.slow
def test_another_configuration_changes_the_roles() -> None:
    with account() as session:
        set_up(dev(), session, rules=load(rules("orders-*")))
        roles = [f"headroom-dev-{name}-us-east-1" for name in FUNCTIONS]
        why = "it is not what the configuration calls for"
        for config in (rules("users"), rules("*")):
            assert changes(session, config) == {
                f"policy headroom-configured of role {role}": (why,) for role in roles
            }
            assert configured(session, roles[-1]) == stage_policy(
                dev(), session.location, load(config), "sweep"
            )
            assert changes(session, config) == {}


def test_a_role_that_the_deployment_did_not_make_is_left_alone() -> None:
    with account() as session:
        resource = ConfiguredPolicy("somebodys", {"Version": "2012-10-17", "Statement": []})
        assert [o.result for o in setup.setup([resource], session)] == ["already correct"]
        assert resource.delete(session) is False


@contextmanager
def interrupted_at(number: int) -> Iterator[None]:
    """Press Ctrl-C at the `number`-th call to AWS."""
    left = [number]

    def press(**_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    BEFORE_CALLS.append(press)
    try:
        yield
    finally:
        BEFORE_CALLS.remove(press)


def again_and_again(work: Callable[[], object]) -> int:
    """Do the work, with Ctrl-C at the first call, at the second, … until it comes to its end;
    return how often it began."""
    for number in range(1, 1000):
        try:
            with interrupted_at(number):
                work()
        except KeyboardInterrupt:
            continue
        return number
    raise AssertionError("it never ends")


@pytest.mark.slow
def test_a_setup_that_is_stopped_at_any_call_is_finished_by_another() -> None:
    with account() as session:
        list(setup.setup(setup.resources_before_functions(dev(), session), session))
        make_functions(dev(), session)
        # A new AwsSession each time, as each command has one
        assert (
            again_and_again(
                lambda: list(setup.setup(all_resources(dev(), AwsSession()), AwsSession()))
            )
            > 10
        )
        assert [
            o for o in setup.setup(all_resources(dev(), session), session) if o.result == "applied"
        ] == []


@pytest.mark.slow
def test_a_teardown_that_is_stopped_at_any_call_is_finished_by_another(tmp_path: Path) -> None:
    with account() as session:
        before = inventory(session.client)
        set_up(dev(), session)
        assert again_and_again(lambda: tear_down(dev(), AwsSession(), tmp_path)) > 10
        assert inventory(session.client) == before


# taking down


@pytest.mark.slow(traced=True)
def test_teardown_takes_the_stage_and_nothing_of_a_neighbour(tmp_path: Path) -> None:
    """The neighbours' names begin as the stage's do."""
    with account() as session:
        for name in ("dev-2", "devel"):
            set_up(Stage("headroom", name, {"ALARM_TOPIC": f"headroom-alarms-{name}"}), session)
        make_table(session.client)
        before, table = (
            inventory(session.client),
            session.client("dynamodb").describe_table(TableName="orders")["Table"],
        )
        set_up(dev(), session)
        assert inventory(session.client) > before
        tear_down(dev(), session, tmp_path)
        assert inventory(session.client) == before
        assert session.client("dynamodb").describe_table(TableName="orders")["Table"] == table


@pytest.mark.slow(traced=True)
def test_teardown_removes_the_alarms_of_tables_that_call_this_stage_and_names_those_of_others(
    tmp_path: Path,
) -> None:
    with account() as session:
        set_up(dev(), session)
        here, there = (
            dev().topic_arn(session.location),
            session.location.arn("sns", "headroom-alarms-dev-2"),
        )
        orders, users = READS, structs.replace(READS, table="users")
        for target, topic, name in [
            (orders, here, ""),
            (users, there, ""),
            (orders, here, "orders-hot"),
        ]:
            fields = table_alarms.new_fields(target, 100, policy(), topic)
            session.client("cloudwatch").put_metric_alarm(
                **fields | ({"AlarmName": name} if name else {})
            )
        assert teardown.foreign_alarms(here) == ["orders-hot"]
        tear_down(dev(), session, tmp_path)
        assert inventory(session.client) == {"alarm headroom-users:read", "alarm orders-hot"}


# the documents


@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: location.partition)
def test_the_topic_lets_this_accounts_alarms_publish_and_nobody_without_tls(
    location: Location,
) -> None:
    document = blueprint.topic_policy(location.arn("sns", "t"), location)
    allow, others, deny = document["Statement"]
    assert (allow["Principal"], allow["Action"]) == (
        {"Service": "cloudwatch.amazonaws.com"},
        "sns:Publish",
    )
    assert allow["Condition"] == {
        "StringEquals": {"aws:SourceAccount": location.account},
        "ArnLike": {
            "aws:SourceArn": f"arn:{location.partition}:cloudwatch:"
            f"{location.region}:{location.account}:alarm:*"
        },
    }
    assert (deny["Effect"], deny["Principal"]) == ("Deny", "*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert (others["Effect"], others["Principal"]) == ("Deny", "*")
    assert others["Condition"] == {"ArnNotLike": allow["Condition"]["ArnLike"]}
    assert blueprint.denies_by_source(document)


ALARMS_OF_OTHERS = "arn:aws:cloudwatch:eu-west-1:2:alarm:hot"


@pytest.mark.parametrize(
    ("source", "permission", "may"),
    [
        pytest.param("arn:aws:cloudwatch:eu-west-1:1:alarm:hot", False, True, id="own alarm"),
        pytest.param("", True, False, id="a principal of the account with sns:Publish"),
        pytest.param("arn:aws:events:eu-west-1:1:rule/r", True, False, id="another service"),
        pytest.param(ALARMS_OF_OTHERS, True, False, id="an alarm of another account"),
    ],
)
def test_only_alarms_of_the_account_publish(source: str, permission: bool, may: bool) -> None:
    """permission: what the publisher may do by a policy of its own, as principals of the account
    may."""
    location = LOCATIONS[0]
    topic = location.arn("sns", "t")
    statements = blueprint.topic_policy(topic, location)["Statement"]
    own = {"Effect": "Allow", "Action": "sns:Publish", "Resource": topic}
    context = {"aws:SecureTransport": ["true"]}
    if source:
        context |= {"aws:SourceArn": [source], "aws:SourceAccount": [source.split(":")[4]]}
    everybody = [without_principal(s) for s in statements] + ([own] if permission else [])
    policy = {"Version": "2012-10-17", "Statement": everybody}
    assert allowed(policy, Ask("sns:Publish", topic, context)) is may


def without_principal(statement: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in statement.items() if key != "Principal"}


@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: location.partition)
def test_only_the_topic_and_the_stages_functions_may_fill_the_dead_letter_queue(
    location: Location,
) -> None:
    topic = location.arn("sns", "t")
    sns, functions, deny = blueprint.queue_policy(
        location.arn("sqs", "q"), topic, location, "headroom-dev-*"
    )["Statement"]
    assert sns["Condition"] == {"ArnEquals": {"aws:SourceArn": topic}}
    role = f"arn:{location.partition}:iam::{location.account}:role/headroom-dev-*"
    assert functions["Condition"] == {"ArnLike": {"aws:PrincipalArn": role}}
    assert (deny["Effect"], deny["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )


def test_silence_watches_the_very_metric_that_a_sweep_publishes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Region(MIDDAY) as region:
        region.deploy(rules())
        invoke(region, "sweep")
        telemetry.RunLog("sweep", dev().prefix).finish(Report())
    emf = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    silence = blueprint.own_alarms(dev(), {}, "q", [])[2]
    assert emf[silence["MetricName"]] == [1.0]
    assert emf["_aws"]["CloudWatchMetrics"][0]["Namespace"] == silence["Namespace"]
    assert {d["Name"]: d["Value"] for d in silence["Dimensions"]} == {
        name: emf[name] for name in emf["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]
    }
    assert silence["Period"] * silence["EvaluationPeriods"] == 30 * 60
    assert silence["TreatMissingData"] == "breaching"


def test_no_own_alarm_can_be_taken_for_the_alarm_of_a_table() -> None:
    assert not [name for name in blueprint.own_alarm_names(dev()) if ":" in name]


# stages


def test_an_unknown_stage_is_refused_with_those_that_exist() -> None:
    with pytest.raises(
        StageError, match=r"has no stage 'pord', only dev, local, prod; did you mean prod\?"
    ):
        stage.read("pord")


def test_the_default_topic_is_that_of_the_app() -> None:
    text = (stage.ROOT / "app.py").read_text()
    assert 'os.environ.get("ALARM_TOPIC", DEFAULT_TOPIC)' in text
    assert stage.Stage("headroom", "dev", {}, 14).topic == stage.DEFAULT_TOPIC


def test_no_function_may_outlive_what_the_buffer_reckons_with() -> None:
    woken = ("on_alarm", "on_action", "on_event", "on_queue", "on_fleet")
    assert max(map(timeout_seconds, woken)) <= blueprint.FUNCTION_SECONDS
    assert 6 * timeout_seconds("on_group") == blueprint.GROUP_SECONDS


def test_a_group_that_fails_twice_becomes_a_dead_letter() -> None:
    of_groups = stage.complete(
        Stage("headroom", "dev"), load(rules() + "\n[fan_out]\nworkers = 2\n")
    )
    session = cast(AwsSession, SimpleNamespace(location=Location("aws", "eu-west-1", "1")))
    queue = setup.resources_before_functions(of_groups, session)[-1]
    assert isinstance(queue, Queue)
    assert (queue.name, queue.expected["RedrivePolicy"]) == (
        "headroom-dev-groups",
        {
            "deadLetterTargetArn": "arn:aws:sqs:eu-west-1:1:headroom-dev-dead-letters",
            "maxReceiveCount": 2,
        },
    )
