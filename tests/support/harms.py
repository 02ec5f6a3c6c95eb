"""What may be wrong with a stage, and what the doctor reports about it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from chalicelib import handlers
from chalicelib.aws.client import Aws
from chalicelib.aws.wire import WIRE
from chalicelib.config.loader import load
from chalicelib.run import Run
from headroom.deploy import blueprint, permissions, setup
from headroom.deploy.checks.deployment import Deployment
from headroom.deploy.stage import complete
from tests.support.deployed import MUTE_RULE, dev, make_functions, make_table

Harm = Callable[[Deployment], object]
CONFIG = '[[tables]]\nname = "orders"\nmax_units = 5000\n'


def configure(project: Path, text: str) -> None:
    (project / "chalicelib").mkdir(exist_ok=True)
    (project / "chalicelib" / "headroom.toml").write_text(text)


def put_on_demand(deployment: Deployment) -> None:
    """Let Headroom choose the mode of a table that somebody put on demand."""
    configure(deployment.project, CONFIG + 'mode = "cheapest"\n')
    client = deployment.aws.client("dynamodb")
    client.update_table(TableName="orders", BillingMode="PAY_PER_REQUEST")


def sweep(text: str) -> None:
    handlers.sweep(
        Run(Aws(dev().topic, sleep=lambda _: None), load(text), datetime.now(UTC))
    ).raise_failures()


def deny(deployment: Deployment, service: str, operation: str, code: str) -> None:
    """Let AWS refuse an operation to the operator's commands."""
    refuse(deployment.session.client(service), operation, code)


def refuse(client: Any, operation: str, code: str) -> None:
    """Let AWS refuse an operation to a client."""

    def answer(model: Any, **_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, model.name)

    client.meta.events.register(f"before-call.*.{operation}", answer)


def reject(deployment: Deployment, code: str) -> None:
    """Let AWS not accept the operator's credentials."""
    vars(deployment.session).pop("location", None)
    deny(deployment, "sts", "GetCallerIdentity", code)


def let_the_clock_be_off(deployment: Deployment) -> None:
    deployment.now += timedelta(minutes=3)


def fix_times(deployment: Deployment) -> None:
    deployment.stage = dev(SCALE_DOWN_SCHEDULE="cron(0 10 * * ? *)")


def break_the_network(deployment: Deployment) -> None:
    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://nowhere")

    deployment.session.client("dynamodb").meta.events.register("before-call.*.DescribeLimits", fail)


def leave_a_function(deployment: Deployment) -> None:
    deployment.stage = dev(ALARM_SOURCES="eventbridge")


def change_a_role(deployment: Deployment) -> None:
    names = {
        "RoleName": "headroom-dev-sweep-us-east-1",
        "PolicyName": "headroom-dev-sweep-us-east-1",
    }
    deployment.session.client("iam").delete_role_policy(**names)


def change_what_is_configured(deployment: Deployment) -> None:
    names = {"RoleName": "headroom-dev-sweep-us-east-1", "PolicyName": "headroom-configured"}
    other = permissions.configured_policy(load('[[tables]]\nname = "users"\n'), "sweep")
    deployment.session.client("iam").put_role_policy(**names, PolicyDocument=json.dumps(other))


def unsubscribe(deployment: Deployment) -> None:
    sns = deployment.session.client("sns")
    for subscription in sns.list_subscriptions()["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])


def delete_the_topic(deployment: Deployment) -> None:
    deployment.session.client("sns").delete_topic(
        TopicArn=dev().topic_arn(deployment.session.location)
    )


def open_the_topic(deployment: Deployment) -> None:
    """Let the topic have the policy of an older version: it allows alarms, and denies no one."""
    arn = dev().topic_arn(deployment.session.location)
    policy = blueprint.topic_policy(arn, deployment.session.location)
    policy["Statement"] = [policy["Statement"][0], policy["Statement"][-1]]
    deployment.session.client("sns").set_topic_attributes(
        TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(policy)
    )


def use_an_open_topic_of_ones_own(deployment: Deployment) -> None:
    arn = deployment.session.client("sns").create_topic(Name="pages")["TopicArn"]
    deployment.stage = dev(ALARM_TOPIC=arn)


def set_up_with_another_version(deployment: Deployment) -> None:
    sqs = deployment.session.client("sqs")
    sqs.tag_queue(
        QueueUrl=sqs.get_queue_url(QueueName=dev().dead_letters)["QueueUrl"],
        Tags={"headroom-version": "0.0.1"},
    )


def silence(deployment: Deployment) -> None:
    cloudwatch = deployment.session.client("cloudwatch")
    cloudwatch.set_alarm_state(
        AlarmName="headroom-dev-silence", StateValue="ALARM", StateReason="test"
    )


def reach_too_few(deployment: Deployment) -> None:
    service = [{"Name": "service", "Value": "headroom-dev"}]
    deployment.session.client("cloudwatch").put_metric_data(
        Namespace="Headroom",
        MetricData=[{"MetricName": "NotReached", "Dimensions": service, "Value": 12}],
    )


def deploy_workers(deployment: Deployment) -> None:
    """Deploy the stage anew with workers."""
    text = CONFIG + "[fan_out]\nworkers = 2\n"
    configure(deployment.project, text)
    config, session = load(text), deployment.session
    settings = complete(dev(), config)
    list(setup.setup(setup.resources_before_functions(settings, session), session))
    make_functions(settings, session, ("on_group",))
    after = setup.resources_of_functions(settings, session, settings.functions, config)
    list(setup.setup(after, session))


def let_a_group_wait(deployment: Deployment) -> None:
    deploy_workers(deployment)
    queue = [{"Name": "QueueName", "Value": "headroom-dev-groups"}]
    name = "ApproximateAgeOfOldestMessage"
    deployment.session.client("cloudwatch").put_metric_data(
        Namespace="AWS/SQS", MetricData=[{"MetricName": name, "Dimensions": queue, "Value": 610}]
    )


def let_too_few_work(deployment: Deployment) -> None:
    deploy_workers(deployment)
    configure(deployment.project, CONFIG + "[fan_out]\nworkers = 9\n")


def lose_a_message(deployment: Deployment) -> None:
    sqs = deployment.session.client("sqs")
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=dev().dead_letters)["QueueUrl"], MessageBody="lost"
    )


def write_nonsense(deployment: Deployment) -> None:
    configure(deployment.project, '[[tables]]\nname = "orders"\nmax_unit = 3\n')


def change_capacity_by_hand(deployment: Deployment) -> None:
    units = {"ReadCapacityUnits": 200, "WriteCapacityUnits": 100}
    deployment.session.client("dynamodb").update_table(
        TableName="orders", ProvisionedThroughput=units
    )


def delete_the_table_behind_a_rule(deployment: Deployment) -> None:
    deployment.session.client("dynamodb").delete_table(TableName="orders")
    make_table(deployment.session.client, "orders-2")
    configure(deployment.project, '[[tables]]\nname = "orders-2"\nscale_up = false\n')


def come_near_the_quota(deployment: Deployment) -> None:
    """Let a table that no rule manages have most of the account's units."""
    make_table(deployment.session.client, "big", units=9_000)
    fields = {f"AccountMax{d}CapacityUnits": 11_000 for d in ("Read", "Write")}
    events = deployment.session.client("dynamodb").meta.events
    events.register("after-call.dynamodb.DescribeLimits", lambda parsed, **_: parsed.update(fields))


FLEET = (
    '[[fleet]]\nname = "workers"\n{how}\n'
    '[[fleet.tables]]\ntable = "{table}"\nread = {{ linear = 1 }}\n'
)
TAGS = 'tags = { role = "worker" }'


def follow(deployment: Deployment, how: str = TAGS, table: str = "orders", more: str = "") -> None:
    """Let a fleet be configured."""
    configure(deployment.project, CONFIG + more + FLEET.format(how=how, table=table))


def follow_without_permission(deployment: Deployment) -> None:
    follow(deployment)
    refuse(deployment.aws.client("ec2"), "DescribeInstances", "UnauthorizedOperation")


def let_a_table_of_nobody_follow(deployment: Deployment) -> None:
    make_table(deployment.session.client, "users-1")
    follow(deployment, table="users-*")


def let_a_table_follow_no_fleet(deployment: Deployment) -> None:
    make_table(deployment.session.client, "jobs-1")
    follow(deployment, more='[[tables]]\nname = "jobs-*"\nstrategy = "fleet"\n')


PAUSE = (
    '[[pause]]\nname = "nightly"\njob = "emr_cluster"\nprefix = "backup-"\ntables = ["{table}"]\n'
)


def hold(deployment: Deployment, table: str = "orders") -> None:
    """Let jobs hold a table."""
    configure(deployment.project, CONFIG + PAUSE.format(table=table))


def ask_for_jobs_without_permission(deployment: Deployment) -> None:
    hold(deployment)
    refuse(deployment.aws.client("emr"), "ListClusters", "AccessDeniedException")


def hold_a_table_of_nobody(deployment: Deployment) -> None:
    make_table(deployment.session.client, "users-1")
    hold(deployment, "users-*")


CAPACITY = "arn:aws:sns:us-east-1:123456789012:capacity"
URL = "https://hooks.slack.com/services/T0/B0/PASSWORD"


def tell(deployment: Deployment, topic: str = "", slack: str = "") -> str:
    """Configure the destinations of notifications, and return the configuration."""
    text = (
        f'[defaults]\nnotify = ["at_max"]\nnotify_topic = "{topic}"\nnotify_slack = "{slack}"\n'
        + CONFIG
    )
    configure(deployment.project, text)
    return text


def keep(deployment: Deployment, text: str) -> None:
    deployment.session.client("secretsmanager").create_secret(Name="slack", SecretString=text)


def tell_a_topic_that_nobody_hears(deployment: Deployment) -> None:
    deployment.session.client("sns").create_topic(Name="capacity")
    tell(deployment, CAPACITY)


def tell_a_webhook_that_is_no_url(deployment: Deployment) -> None:
    keep(deployment, "PASSWORD")
    tell(deployment, slack="secretsmanager:slack")


#: The harm, the check that finds it, and parts of the problem and of the remedy.
def take_actions_away(deployment: Deployment) -> None:
    client = deployment.session.client("cloudwatch")
    alarm = client.describe_alarms(AlarmNames=["headroom-orders:read"])["MetricAlarms"][0]
    settable = client.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    kept = {key: value for key, value in alarm.items() if key in settable}
    client.put_metric_alarm(**{**kept, "AlarmActions": []})


def throttle(
    deployment: Deployment,
    *causes: str,
    index: str = "",
    before: timedelta = timedelta(minutes=2),
) -> None:
    """Let a write a second be throttled, of the table or of an index, with the metrics of these
    causes."""
    named = [{"Name": "TableName", "Value": "orders"}]
    named += [{"Name": "GlobalSecondaryIndexName", "Value": index}] if index else []
    at = datetime.now(UTC) - before
    for metric in ("ConsumedWriteCapacityUnits", "WriteThrottleEvents", *causes):
        point = {"MetricName": metric, "Dimensions": named, "Timestamp": at, "Value": 60.0}
        deployment.session.client("cloudwatch").put_metric_data(
            Namespace="AWS/DynamoDB", MetricData=[point]
        )


def lose_the_callers(deployment: Deployment) -> None:
    """Let the reads be busy for two hours, and then nothing for eight minutes."""
    configure(deployment.project, CONFIG.replace("5000", "5000\nhold_after_outage_minutes = 20"))
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    points = [
        {
            "MetricName": "ConsumedReadCapacityUnits",
            "Dimensions": [{"Name": "TableName", "Value": "orders"}],
            "Timestamp": now - timedelta(minutes=minute),
            "Value": 0.0 if minute <= 10 else 3600.0,
        }
        for minute in range(2, 130)
    ]
    client = deployment.session.client("cloudwatch")
    client.put_metric_data(Namespace="AWS/DynamoDB", MetricData=points)


def miss_a_goal(deployment: Deployment) -> None:
    """Throttle as much as is consumed, where the configuration has a goal."""
    configure(deployment.project, CONFIG.replace("5000", "5000\ngoal_throttled_ppm = 100"))
    throttle(deployment, "WriteProvisionedThroughputThrottleEvents", before=timedelta(days=2))


def make_an_index_too_small(deployment: Deployment) -> None:
    """Give the table an index, and let that be short of writes."""
    key = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}
    units = {"ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}}
    whole = {"Projection": {"ProjectionType": "ALL"}}
    deployment.session.client("dynamodb").update_table(
        TableName="orders",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": {"IndexName": "by-date", **key, **units, **whole}}],
    )
    throttle(deployment, "WriteProvisionedThroughputThrottleEvents", index="by-date")


def give_an_unknown_field(deployment: Deployment) -> None:
    def add(parsed: Any, **_: Any) -> None:
        for alarm in parsed[WIRE]:
            if alarm["AlarmName"] == "headroom-orders:read":
                alarm["QuietHours"] = {"From": "22:00"}

    events = deployment.aws.client("cloudwatch").meta.events
    events.register("after-call.cloudwatch.DescribeAlarms", add)


def mute(deployment: Deployment) -> None:
    """Let a mute rule have two alarms of the stage, and one of somebody else."""
    names = ["somebodys", "headroom-dev-silence", "headroom-orders:read"]
    MUTE_RULE.update(
        Name="nights",
        AlarmMuteRuleArn=deployment.session.location.arn("cloudwatch", "alarm-mute-rule:nights"),
        Status="SCHEDULED",
        MuteTargets={"AlarmNames": names},
    )


def replicate(deployment: Deployment) -> None:
    """Let the table have a replica, which moto does not know."""

    def add(parsed: Any, **_: Any) -> None:
        parsed["Table"]["Replicas"] = [{"RegionName": "eu-west-1"}]

    client = deployment.aws.client("dynamodb")
    client.meta.events.register("after-call.dynamodb.DescribeTable", add)


def add_a_floor(deployment: Deployment) -> None:
    """Let a window have a floor above the warm throughput, which moto does not know."""
    floor = '{ rule = "floor", min_units = 900, between = "08:00-20:00" }'
    configure(deployment.project, f'[[tables]]\nname = "orders"\nwindows = [{floor}]\n')

    def add(parsed: Any, **_: Any) -> None:
        parsed["Table"]["WarmThroughput"] = {"ReadUnitsPerSecond": 800, "WriteUnitsPerSecond": 900}

    client = deployment.aws.client("dynamodb")
    client.meta.events.register("after-call.dynamodb.DescribeTable", add)
