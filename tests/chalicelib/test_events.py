"""Messages of every kind: an alarm to look at, or a refusal with its reason; never an exception."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib import metrics
from chalicelib.events import (
    AlarmEvent,
    Event,
    InstanceEvent,
    from_event,
    from_queue,
    from_sns,
    from_text,
)
from chalicelib.metrics import Metric, target_of
from chalicelib.model import Reason, Skip
from headroom.project import ROOT
from tests.support.builders import ACCOUNT, INDEX_READS, INDEX_WRITES, READS, TOPIC, WRITES
from tests.support.mutations import VALUES, mutated

DATA = ROOT / "tests" / "data"
TABLE_ARN = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/orders"
OTHER_TOPIC = "arn:aws:sns:eu-west-1:999999999999:alarms"
TABLE_HOT = AlarmEvent("orders-reads-high", READS, "us-east-1", ACCOUNT)


READERS = [from_sns, from_queue, from_text]


def recorded(name: str) -> dict[str, Any]:
    """Return one of the recorded messages."""
    message: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return message


def sns(name: str = "sns-table", trigger: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return a recorded message's text with some members changed; those changed to ... are left
    out."""
    text = recorded(name) | changes
    if trigger is not None:
        text["Trigger"] = {k: v for k, v in (text["Trigger"] | trigger).items() if v is not ...}
    return json.dumps({key: value for key, value in text.items() if value is not ...})


def refusal(text: AlarmEvent | Skip) -> tuple[str, Reason, str]:
    """Return the three parts of a refusal."""
    assert isinstance(text, Skip)
    return text.subject, text.reason, text.detail


@pytest.mark.parametrize(
    ("metric", "target"),
    [
        ("ConsumedReadCapacityUnits", READS),
        ("ConsumedWriteCapacityUnits", WRITES),
        ("ReadThrottleEvents", READS),
        ("WriteThrottleEvents", WRITES),
    ],
)
def test_consumption_and_throttling_report_the_dimension(metric: str, target: object) -> None:
    event = from_sns(sns(trigger={"MetricName": metric}))
    assert (isinstance(event, AlarmEvent), event.target) == (True, target)


@pytest.mark.parametrize(
    ("topic", "region"),
    [
        pytest.param(TOPIC, "us-east-1", id="its own account's topic tells the region"),
        pytest.param("", "", id="no topic known"),
        pytest.param(OTHER_TOPIC, "", id="another account's topic tells nothing"),
        pytest.param("headroom-alarms", "", id="a topic that is no ARN"),
    ],
)
def test_a_message_of_2016_has_its_region_from_the_topic_and_its_account_from_itself(
    topic: str, region: str
) -> None:
    assert from_sns(sns("sns-2016"), topic) == AlarmEvent(
        "orders-reads-high", READS, region, ACCOUNT
    )


def test_a_message_without_any_account_trusts_no_topic() -> None:
    assert from_sns(sns("sns-2016", AWSAccountId=...), TOPIC) == AlarmEvent(
        "orders-reads-high", READS, "", ""
    )


def test_todays_message_has_its_place_from_the_alarms_arn_and_from_nothing_else() -> None:
    event = from_sns(
        sns(
            AlarmArn="arn:aws-cn:cloudwatch:cn-north-1:999999999999:alarm:orders-reads-high",
            Region="US East (N. Virginia)",
        ),
        TOPIC,
    )
    assert event == AlarmEvent("orders-reads-high", READS, "cn-north-1", "999999999999")


@pytest.mark.parametrize(
    "arn", ["orders-reads-high", "arn:aws:cloudwatch:us-east-1:123456789012", "a:b:c:d:e:f:g"]
)
def test_an_arn_that_is_none_reports_no_place(arn: str) -> None:
    assert from_sns(sns(AlarmArn=arn), TOPIC) == AlarmEvent("orders-reads-high", READS, "", "")


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_only_alarm_asks_for_a_look(state: str) -> None:
    detail = f"the alarm went to {state}; only ALARM starts a check"
    assert refusal(from_sns(sns(NewStateValue=state))) == (
        "orders-reads-high",
        Reason.NOT_IN_ALARM,
        detail,
    )


@pytest.mark.parametrize(
    ("name", "inside"), [("lambda-action", "alarmData"), ("eventbridge", "detail")]
)
def test_only_alarm_asks_for_a_look_in_the_other_forms_too(name: str, inside: str) -> None:
    event = recorded(name)
    event[inside]["state"]["value"] = "OK"
    assert refusal(from_event(event))[1] is Reason.NOT_IN_ALARM


@pytest.mark.parametrize(
    ("trigger", "why"),
    [
        pytest.param(
            {"Namespace": "AWS/SQS"},
            "its namespace is AWS/SQS, not AWS/DynamoDB",
            id="another service",
        ),
        pytest.param(
            {"Namespace": ...}, "its namespace is missing, not AWS/DynamoDB", id="no namespace"
        ),
        pytest.param(
            {"MetricName": "SystemErrors"},
            "its metric SystemErrors is neither consumption nor throttling",
            id="another metric",
        ),
        pytest.param({"Dimensions": []}, "it has no dimension TableName", id="no dimensions"),
        pytest.param(
            {"Dimensions": [{"name": "TableName", "value": ""}]},
            "it has no dimension TableName",
            id="no name",
        ),
        pytest.param(
            {
                "Dimensions": [
                    {"name": "TableName", "value": "orders"},
                    {"name": "Source", "value": "Customer"},
                ]
            },
            "its dimension Source narrows the metric to a part of the load",
            id="part of the load",
        ),
        pytest.param(
            {"Dimensions": [{"name": "TableName", "value": TABLE_ARN}]},
            f"'{TABLE_ARN}' is no name of a table or an index",
            id="a table's ARN",
        ),
        pytest.param(
            {
                "Dimensions": [
                    {"name": "TableName", "value": "orders"},
                    {"name": "GlobalSecondaryIndexName", "value": "by date"},
                ]
            },
            "'by date' is no name of a table or an index",
            id="no index's name",
        ),
        pytest.param(
            {"MetricName": ..., "Namespace": ...},
            "it names no metric, as a log alarm does not",
            id="no metric",
        ),
    ],
)
def test_metrics_that_show_no_targets_load_are_refused(trigger: dict[str, Any], why: str) -> None:
    assert refusal(from_sns(sns(trigger=trigger))) == (
        "orders-reads-high",
        Reason.UNSUPPORTED_ALARM,
        f"cannot scale by this alarm: {why}",
    )


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        pytest.param("", "Input data was truncated", id="nothing"),
        pytest.param("{", "Input data was truncated", id="cut off"),
        pytest.param(
            "the table is hot", "JSON is malformed: invalid character (byte 4)", id="words"
        ),
        pytest.param("[]", "Expected `object`, got `array`", id="an array"),
        pytest.param("42", "Expected `object`, got `int`", id="a number"),
        pytest.param("null", "Expected `object`, got `null`", id="null"),
        pytest.param("{}", "Object missing required field `AlarmName`", id="an empty object"),
        pytest.param(
            sns(NewStateValue=...), "Object missing required field `NewStateValue`", id="no state"
        ),
        pytest.param(
            sns(AlarmName=7),
            "Expected `str`, got `int` - at `$.AlarmName`",
            id="a name that is a number",
        ),
        pytest.param(
            sns(Trigger=[]),
            "Expected `object | null`, got `array` - at `$.Trigger`",
            id="a trigger that is none",
        ),
        pytest.param(
            sns(trigger={"Dimensions": {"TableName": "orders"}}),
            "Expected `array`, got `object` - at `$.Trigger.Dimensions`",
            id="dimensions that are an object",
        ),
        pytest.param(
            sns(trigger={"Dimensions": [{"name": "TableName"}]}),
            "Object missing required field `value` - at `$.Trigger.Dimensions[0]`",
            id="a dimension without value",
        ),
    ],
)
def test_what_is_no_alarm_message_is_malformed_and_says_where(text: str, detail: str) -> None:
    assert (
        refusal(from_sns(text))
        == refusal(from_text(text))
        == ("message", Reason.MALFORMED, f"not a CloudWatch alarm message: {detail}")
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ud800", id="half a character"),
        pytest.param("[" * 100_000, id="deeper than any reader goes"),
    ],
)
def test_a_text_that_no_reader_survives_is_malformed(text: str) -> None:
    assert [refusal(read(text))[1] for read in READERS] == [Reason.MALFORMED] * len(READERS)


@pytest.mark.parametrize(
    ("event", "detail"),
    [
        pytest.param({}, "Object missing required field `detail`", id="an empty event"),
        pytest.param(5, "Expected `object`, got `int`", id="a number"),
        pytest.param("alarmData", "Expected `object`, got `str`", id="a text"),
        pytest.param(
            {"alarmData": 1},
            "Expected `object`, got `int` - at `$.alarmData`",
            id="data that is none",
        ),
        pytest.param(
            {"alarmData": {"alarmName": "a"}},
            "Object missing required field `state` - at `$.alarmData`",
            id="no state",
        ),
        pytest.param(
            {"detail": {}},
            "Object missing required field `alarmName` - at `$.detail`",
            id="an empty detail",
        ),
    ],
)
def test_what_is_no_alarm_event_is_malformed_and_says_where(event: Any, detail: str) -> None:
    assert refusal(from_event(event)) == (
        "event",
        Reason.MALFORMED,
        f"not a CloudWatch alarm event: {detail}",
    )


def test_half_a_character_in_an_event_is_malformed_before_any_call() -> None:
    event = recorded("eventbridge")
    event["detail"]["alarmName"] = "\ud800"
    assert refusal(from_event(event))[1] is Reason.MALFORMED
    named = recorded("lambda-action")
    dimensions = named["alarmData"]["configuration"]["metrics"][0]["metricStat"]["metric"]
    dimensions["dimensions"]["TableName"] = "\ud800"
    assert refusal(from_event(named))[1] is Reason.UNSUPPORTED_ALARM


PLAIN = recorded("lambda-action")["alarmData"]["configuration"]["metrics"][0]


def configured(name: str, inside: str, configuration: dict[str, Any]) -> dict[str, Any]:
    event = recorded(name)
    event[inside]["configuration"] = configuration
    return event


@pytest.mark.parametrize(
    ("name", "inside"), [("lambda-action", "alarmData"), ("eventbridge", "detail")]
)
@pytest.mark.parametrize(
    ("configuration", "why"),
    [
        pytest.param({}, "it names no metric, as a log alarm does not", id="nothing configured"),
        pytest.param({"alarmRule": 'ALARM("a")'}, "it is a composite alarm", id="composite"),
        pytest.param(
            {"metrics": [{"id": "e1", "expression": "m1/60"}]},
            "it is a metric math alarm",
            id="math",
        ),
        pytest.param(
            {
                "metrics": [PLAIN, {"id": "ad1", "expression": "ANOMALY_DETECTION_BAND(m1, 2)"}],
            },
            "it is an anomaly detection alarm",
            id="anomaly",
        ),
    ],
)
def test_the_other_forms_refuse_alarms_without_a_plain_metric(
    name: str, inside: str, configuration: dict[str, Any], why: str
) -> None:
    assert refusal(from_event(configured(name, inside, configuration)))[1:] == (
        Reason.UNSUPPORTED_ALARM,
        f"cannot scale by this alarm: {why}",
    )


def test_an_eventbridge_event_without_resources_reports_no_place() -> None:
    event = recorded("eventbridge")
    del event["resources"]
    assert from_event(event) == AlarmEvent("orders-by-date-writes-high", INDEX_WRITES, "", "")


def test_the_event_around_an_sns_message_is_read_with_its_topic() -> None:
    record = {"EventSource": "aws:sns", "Sns": {"Message": sns("sns-2016"), "TopicArn": TOPIC}}
    assert from_text(json.dumps({"Records": [record]})) == TABLE_HOT


@pytest.mark.parametrize("records", [[], [{}], {}, None, [{"Sns": {}}]])
def test_an_sns_event_that_is_none_is_malformed(records: object) -> None:
    assert refusal(from_text(json.dumps({"Records": records})))[:2] == ("event", Reason.MALFORMED)


def test_the_dimensions_order_means_nothing() -> None:
    named = {"GlobalSecondaryIndexName": "by-date", "TableName": "orders"}
    assert target_of(Metric("AWS/DynamoDB", "ConsumedReadCapacityUnits", named)) == INDEX_READS


def test_members_that_aws_adds_tomorrow_are_passed_over() -> None:
    assert from_sns(sns(trigger={"Tomorrow": [1]}, AlsoTomorrow={"a": 1})) == TABLE_HOT


@pytest.mark.fuzz
@pytest.mark.slow
@given(st.text() | st.text(st.characters(codec=None)))
@example("\udfff")
def test_no_text_makes_a_reader_raise(text: str) -> None:
    assert [type(read(text)) for read in READERS] == [Skip] * len(READERS)


@pytest.mark.fuzz
@pytest.mark.slow
@given(VALUES)
def test_no_json_makes_a_reader_raise(value: Any) -> None:
    assert isinstance(from_event(value), Skip)
    assert [type(read(json.dumps(value))) for read in READERS] == [Skip] * len(READERS)


@pytest.mark.fuzz
@pytest.mark.slow
@given(st.sampled_from([recorded(path.stem) for path in DATA.glob("*.json")]).flatmap(mutated))
def test_no_change_to_a_real_message_makes_a_reader_raise(text: dict[str, Any]) -> None:
    readers: list[Callable[[], Event]] = [
        lambda: from_text(json.dumps(text)),
        lambda: from_event(text),
    ]
    assert all(isinstance(read(), AlarmEvent | InstanceEvent | Skip) for read in readers)


def test_throttling_and_consumption_have_one_metric_for_each_dimension() -> None:
    assert len(metrics.DIMENSION_OF) == 6
