"""The embedded region's Contributor Insights for DynamoDB, which moto lacks.

A table or index whose Contributor Insights is on has one CloudWatch rule, about its throttled
partition keys. All requests that are throttled on a hot key have one key.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.metrics import NAMESPACE, Cause, throttled_by
from chalicelib.model import Dimension
from headroom.region.cloudwatch import CloudWatch, key
from headroom.region.context import Context, ServiceError
from headroom.region.dynamodb import DynamoDB

RULE = "DynamoDBContributorInsights-PKT-"
HOT_KEY = "the-hot-key"


class ContributorInsights:
    def __init__(self, region: Context, dynamodb: DynamoDB, cloudwatch: CloudWatch) -> None:
        self._region, self._dynamodb, self._cloudwatch = region, dynamodb, cloudwatch
        #: Since when it is on, and in which mode, by table and index.
        self.on: dict[tuple[str, str], tuple[datetime, str]] = {}

    def answer(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer a call about it; None leaves a call to the other services."""
        if operation == "GetInsightRuleReport":
            return self._report(params)
        if operation not in ("DescribeContributorInsights", "UpdateContributorInsights"):
            return None
        part = params["TableName"], params.get("IndexName", "")
        if not self._dynamodb.has(*part):
            raise ServiceError("ResourceNotFoundException", f"Requested resource not found: {part}")
        action = params.get("ContributorInsightsAction")
        if action == "ENABLE":
            mode = params.get("ContributorInsightsMode", "ACCESSED_AND_THROTTLED_KEYS")
            self.on[part] = self._region.now, mode
        elif action == "DISABLE":
            self.on.pop(part, None)
        is_on = part in self.on
        return {
            "TableName": part[0],
            "ContributorInsightsStatus": "ENABLED" if is_on else "DISABLED",
            "ContributorInsightsRuleList": [self._rule(part)] if is_on else [],
        }

    def _rule(self, part: tuple[str, str]) -> str:
        resource = "-".join(filter(None, part))
        return f"{RULE}{resource}-{self.on[part][0].timestamp():.0f}"

    def _report(self, params: Mapping[str, Any]) -> dict[str, Any]:
        part = next((p for p in self.on if self._rule(p) == params["RuleName"]), None)
        if part is None:
            raise ServiceError("ResourceNotFoundException", f"Unknown: {params['RuleName']}", 404)
        first = self._region.minute_of(max(params["StartTime"], self.on[part][0]))
        last = self._region.minute_of(params["EndTime"])
        named = {"TableName": part[0]} | ({"GlobalSecondaryIndexName": part[1]} if part[1] else {})
        total = sum(
            self._cloudwatch.sums.get(key(NAMESPACE, metric, named), {}).get(minute, 0.0)
            for metric in (throttled_by(Cause.KEY_RANGE, side) for side in Dimension)
            for minute in range(first, last)
        )
        found = {"Keys": [HOT_KEY], "ApproximateAggregateValue": total, "Datapoints": []}
        return {"KeyLabels": ["pk"], "Contributors": [found] if total else []}
