"""Messages from the wild: each form in tests/data is read, or refused with its reason.

They are written anew, with the shape of those that AWS documents and that public projects keep as
fixtures, from 2016 to 2026. AWS shows no message of a log alarm: `sns-log-alarm` has what all have.
"""

import pytest

from chalicelib.events import AlarmEvent, InstanceEvent, from_queue, from_text
from chalicelib.model import Reason, Skip, Target
from headroom.project import ROOT
from tests.support.builders import ACCOUNT, INDEX_WRITES, READS

DATA = ROOT / "tests" / "data"
HOME = ("us-east-1", ACCOUNT)
COMPOSITE = "it is a composite alarm"
BAND = "it is an anomaly detection alarm"
MATH = "it is a metric math alarm"
KEY_RANGE = "ReadKeyRangeThroughputThrottleEvents"
INSIGHTS = "it is a Metrics Insights alarm"


def fired(target: Target = READS, name: str = "", place: tuple[str, str] = HOME) -> AlarmEvent:
    """Return the event of an alarm on a target, by the name that most messages have."""
    usual = "orders-reads-high" if target == READS else "orders-by-date-writes-high"
    return AlarmEvent(name or usual, target, *place)


def unsupported(name: str, why: str) -> Skip:
    return Skip(name, Reason.UNSUPPORTED_ALARM, f"cannot scale by this alarm: {why}")


def calm(state: str) -> Skip:
    why = f"the alarm went to {state}; only ALARM starts a check"
    return Skip("orders-reads-high", Reason.NOT_IN_ALARM, why)


def neither(metric: str) -> str:
    return f"its metric {metric} is neither consumption nor throttling"


FORMS: dict[str, object] = {
    # SNS: a metric
    "sns-2016": fired(place=("", ACCOUNT)),
    "sns-2018": fired(place=("", ACCOUNT)),
    "sns-table": fired(),
    "sns-index": fired(INDEX_WRITES),
    "sns-index-reversed": fired(INDEX_WRITES),
    "sns-percentile": fired(name="orders-reads-p99"),
    "sns-throttle": fired(name="orders-reads-throttled"),
    "sns-index-throttle": fired(INDEX_WRITES, "orders-by-date-writes-throttled"),
    "sns-by-hand": fired(),
    "sns-china": fired(place=("cn-north-1", ACCOUNT)),
    "sns-unicode": AlarmEvent("Bestellungen – Lesen hoch 🔥", READS, *HOME),
    "sns-one-in-list": fired(),
    "sns-instance": InstanceEvent("web-1-status", "i-0a1b2c3d4e5f60718", *HOME),
    # SNS: other states, other kinds, other metrics
    "sns-ok": calm("OK"),
    "sns-insufficient-data": calm("INSUFFICIENT_DATA"),
    "sns-math": unsupported("orders-reads-utilization", MATH),
    "sns-math-of-another-account": unsupported("orders-reads-share", MATH),
    "sns-anomaly": unsupported("orders-reads-unusual", BAND),
    "sns-composite": unsupported("orders-any", COMPOSITE),
    "sns-metrics-insights": unsupported("tables-reads-high", INSIGHTS),
    "sns-log-alarm": unsupported("checkout-errors", "it names no metric, as a log alarm does not"),
    "sns-hot-key": unsupported(
        "orders-hot-key",
        f"its metric {KEY_RANGE} shows a limit that more units do not raise",
    ),
    "sns-global-table": unsupported(
        "orders-replicated-writes", "its dimension Source narrows the metric to a part of the load"
    ),
    "sns-operation": unsupported("orders-throttled-requests", neither("ThrottledRequests")),
    "sns-account": unsupported(
        "account-reads", neither("AccountProvisionedReadCapacityUtilization")
    ),
    "sns-other-service": unsupported("jobs-backlog", "its namespace is AWS/SQS, not AWS/DynamoDB"),
    # around an SNS message
    "queue-notification": fired(),
    "sns-event": fired(),
    # the alarm's own action
    "lambda-action": fired(),
    "lambda-action-index": fired(INDEX_WRITES),
    "lambda-action-math": unsupported("orders-reads-utilization", MATH),
    "lambda-action-composite": unsupported("orders-any", COMPOSITE),
    # EventBridge
    "eventbridge": fired(INDEX_WRITES),
    "eventbridge-muted": fired(),
    "eventbridge-target-tracking": fired(
        name="TargetTracking-table/orders-AlarmHigh-0f8fad5b-d9cb-469f-a165-70867728950e"
    ),
    "eventbridge-configuration-change": calm("OK"),
    "eventbridge-composite": unsupported("orders-any", COMPOSITE),
    "eventbridge-anomaly": unsupported("orders-reads-unusual", BAND),
    "eventbridge-metrics-insights": unsupported("tables-reads-high", INSIGHTS),
    "eventbridge-contributor": unsupported("tables-reads-high", INSIGHTS),
}


@pytest.mark.parametrize("name", FORMS)
def test_each_form_names_its_alarm_and_target_or_is_refused_with_the_reason(name: str) -> None:
    assert from_text((DATA / f"{name}.json").read_text()) == FORMS[name]


def test_every_form_is_in_the_table() -> None:
    assert {path.stem for path in DATA.glob("*.json")} == set(FORMS)


def test_a_notification_in_a_queue_is_read_as_its_message() -> None:
    assert from_queue((DATA / "queue-notification.json").read_text()) == fired()
