"""A stage's logs in a local AWS: moto knows no pattern of JSON, and returns every line."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from headroom.deploy import logged
from tests.support.builders import READS
from tests.support.deployed import account, dev

CHANGE: dict[str, Any] = {
    "kind": "decision",
    "table": "orders",
    "index": "",
    "dimension": "read",
    "current": 100,
    "desired": 150,
    "change": 1,
    "reason": "UtilizationHigh",
    "dry_run": False,
    "numbers": {},
}
LINES = (
    "START RequestId: 1 Version: $LATEST",
    "5",
    *map(
        json.dumps,
        (
            {"kind": "action", "alarm": "headroom-orders:read", "alarm_level_units": 95},
            CHANGE,
            CHANGE | {"change": 0},
            CHANGE | {"table": "users"},
            {"kind": "failure", "subject": "users", "message": "users: failed"},
            {"kind": "failure", "subject": "orders", "message": "orders: failed"},
            {"message": "a line of a library"},
        ),
    ),
)


def test_only_the_lines_that_are_wanted_count() -> None:
    now = datetime.now(UTC)
    at, since = int(now.timestamp() * 1_000), now - timedelta(hours=1)
    group = {"logGroupName": "/aws/lambda/headroom-dev-sweep"}
    with account() as session:
        logs, stream = session.client("logs"), {**group, "logStreamName": "1"}
        logs.create_log_group(**group)
        logs.create_log_stream(**stream)
        logs.put_log_events(**stream, logEvents=[{"timestamp": at, "message": m} for m in LINES])
        change, failure = logged.history(session, dev(), "orders", since)
        levels = logged.levels(session, dev(), "headroom-orders:read", since)
    assert isinstance(change, logged.LoggedChange)
    assert (change.target, change.desired) == (READS, 150)
    assert isinstance(failure, logged.LoggedFailure)
    assert failure.message == "orders: failed"
    assert [units for _, units in levels] == [95]
