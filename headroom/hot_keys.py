"""Which keys are throttled: CloudWatch Contributor Insights for DynamoDB.

It is switched on for a table or an index, and makes CloudWatch rules for it. Source: Developer
Guide, "CloudWatch Contributor Insights for DynamoDB: how it works", read 2026-11.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.aws.client import Aws
from headroom.operator_error import OperatorError

#: The kinds of rules about throttled keys, as their names have them: DynamoDBContributorInsights-
#: KIND-TABLE-TIME. The second exists only with a sort key.
KINDS = {"PKT": "partition key", "SKT": "partition and sort key"}
#: So many keys of a rule are shown.
SHOWN = 10
PERIOD_SECONDS = 60
#: Only throttled requests count as events, so a calm table costs no more than its rules. Source:
#: API_UpdateContributorInsights, ContributorInsightsMode, read 2026-11.
MODE = "THROTTLED_KEYS"
#: USD in us-east-1: 0.50 for a rule and month, by the hour, and 0.03 for a million events. Source:
#: articles about CloudWatch's price list, read 2026-11.
RULE_MONTH, MILLION_EVENTS = 0.50, 0.03


class HotKeysError(OperatorError):
    """The keys cannot be shown; the message says why, and what to do."""


@dataclass(frozen=True)
class Part:
    """A table, or an index of it."""

    table: str
    index: str = ""

    def __str__(self) -> str:
        """Return `table`, or `table/index`."""
        return f"{self.table}/{self.index}" if self.index else self.table

    @property
    def params(self) -> dict[str, str]:
        """Return DynamoDB's parameters for it."""
        return {"TableName": self.table} | ({"IndexName": self.index} if self.index else {})

    @property
    def off_command(self) -> str:
        """Return the command of the AWS CLI that switches Contributor Insights off."""
        index = f" --index-name {self.index}" if self.index else ""
        return (
            f"aws dynamodb update-contributor-insights --table-name {self.table}{index} "
            "--contributor-insights-action=DISABLE"
        )


@dataclass(frozen=True)
class HotKey:
    """A key, and how many of its requests were throttled."""

    kind: str
    values: tuple[str, ...]
    requests: float


def is_on(aws: Aws, part: Part) -> bool:
    """Tell whether Contributor Insights is on, or is being switched on.

    Raises HotKeysError if there is no such table or index.
    """
    return _description(aws, part)["ContributorInsightsStatus"] in ("ENABLED", "ENABLING")


def keys(aws: Aws, part: Part, start: datetime, end: datetime) -> Iterator[HotKey]:
    """Yield the most throttled keys, the most throttled of each kind first."""
    for name in _description(aws, part).get("ContributorInsightsRuleList", []):
        kind = next((kind for kind in KINDS if f"-{kind}-" in name), None)
        if kind is None:
            continue
        report = aws.client("cloudwatch").get_insight_rule_report(
            RuleName=name,
            StartTime=start,
            EndTime=end,
            Period=PERIOD_SECONDS,
            MaxContributorCount=SHOWN,
            OrderBy="Sum",
        )
        for found in report["Contributors"]:
            yield HotKey(KINDS[kind], tuple(found["Keys"]), found["ApproximateAggregateValue"])


@contextmanager
def switched_on(aws: Aws, part: Part) -> Iterator[None]:
    """Switch Contributor Insights on for a while, and off again whatever happens."""
    _switch(aws, part, ContributorInsightsAction="ENABLE", ContributorInsightsMode=MODE)
    try:
        yield
    finally:
        _switch(aws, part, ContributorInsightsAction="DISABLE")


def _switch(aws: Aws, part: Part, **params: str) -> None:
    aws.client("dynamodb").update_contributor_insights(**part.params, **params)


def _description(aws: Aws, part: Part) -> Mapping[str, Any]:
    client = aws.client("dynamodb")
    try:
        found: Mapping[str, Any] = client.describe_contributor_insights(**part.params)
    except client.exceptions.ResourceNotFoundException:
        raise HotKeysError(f"{part} does not exist in this account and Region") from None
    return found
