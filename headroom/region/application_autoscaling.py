"""The embedded region's Application Auto Scaling: scalable targets, policies with their alarms,
scheduled actions and tags.

Target tracking scales, each minute, by the rule that the benchmark has as a competitor. Scheduled
actions are kept, and do nothing. moto does not delete policies and actions with their target, mixes
up pages, and knows no tags. Source: Application Auto Scaling API reference, read 2026-11.
"""

import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.metrics import CONSUMED
from chalicelib.model import Dimension, Target
from headroom.region.context import ACCOUNT, Context, ServiceError, page
from headroom.simulation.competitors import VISIBLE_MINUTES, AutoScaling

PAGE = 50
ROLE = "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"
Key = tuple[str, ...]
KEY = ("ServiceNamespace", "ResourceId", "ScalableDimension")
NOT_SUSPENDED = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


class ApplicationAutoScaling:
    def __init__(
        self,
        region: Context,
        has_table: Callable[[str, str], bool],
        put_alarm: Callable[[Mapping[str, Any]], object],
        delete_alarms: Callable[[Sequence[str]], object],
        consumption: Callable[[Target, int], Sequence[float]],
        units_of: Callable[[Target], int],
    ) -> None:
        """has_table: whether a table, or an index of it, exists. put_alarm, delete_alarms: how to
        change alarms in CloudWatch. consumption: the units a second of so many of the newest
        minutes. units_of: the units of a target."""
        self._consumption, self._units_of = consumption, units_of
        self._region, self._has_table = region, has_table
        self._put_alarm, self._delete_alarms = put_alarm, delete_alarms
        self.targets: dict[Key, dict[str, Any]] = {}
        self.policies: dict[Key, dict[str, Any]] = {}
        self.actions: dict[Key, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self._numbers = (f"{number:08}" for number in itertools.count(1))

    def answer(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        known: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "DescribeScalableTargets": partial(_describe, "ScalableTargets", self.targets),
            "DescribeScalingPolicies": partial(_describe, "ScalingPolicies", self.policies),
            "DescribeScheduledActions": partial(_describe, "ScheduledActions", self.actions),
            "RegisterScalableTarget": self._register,
            "DeregisterScalableTarget": self._deregister,
            "PutScalingPolicy": self._put_policy,
            "PutScheduledAction": self._put_action,
            "ListTagsForResource": lambda params: {"Tags": dict(self.tags[params["ResourceARN"]])},
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }
        if operation not in known:
            raise NotImplementedError(
                f"the embedded region does not know application-autoscaling {operation}"
            )
        return known[operation](params)

    def scale(self) -> None:
        """Change the units by the policies that are not suspended."""
        for key, policy in list(self.policies.items()):
            target = self.targets[key[:3]]
            wanted = self._wanted(target, policy)
            if wanted is not None:
                self._set_units(_target(target), wanted)

    def _wanted(self, scalable: Mapping[str, Any], policy: Mapping[str, Any]) -> int | None:
        """Return the units after a change, or None for no change."""
        tracking = policy.get("TargetTrackingScalingPolicyConfiguration", {})
        target, suspended = _target(scalable), scalable["SuspendedState"]
        if "PredefinedMetricSpecification" not in tracking or not self._has_table(
            target.table, target.index
        ):
            return None
        units = self._units_of(target)
        consumed = self._consumption(target, VISIBLE_MINUTES)
        wanted = AutoScaling(int(tracking["TargetValue"]))(self._region.minute, units, consumed)
        if wanted is None:
            return None
        wanted = min(max(wanted, scalable["MinCapacity"]), scalable["MaxCapacity"])
        is_out = wanted > units
        name = "DynamicScalingOutSuspended" if is_out else "DynamicScalingInSuspended"
        is_off = suspended[name] or (not is_out and tracking.get("DisableScaleIn"))
        return None if is_off or wanted == units else wanted

    def _set_units(self, target: Target, wanted: int) -> None:
        """Make an UpdateTable call. What DynamoDB refuses is tried again a minute later."""
        units = {
            f"{side.title()}CapacityUnits": wanted
            if side is target.dimension
            else self._units_of(Target(target.table, target.index, side))
            for side in Dimension
        }
        part: dict[str, Any] = {"ProvisionedThroughput": units}
        if target.index:
            update = {"Update": {"IndexName": target.index, **part}}
            part = {"GlobalSecondaryIndexUpdates": [update]}
        with contextlib.suppress(ClientError):
            self._region.client("dynamodb").update_table(TableName=target.table, **part)

    def _tag(self, params: Mapping[str, Any]) -> dict[str, Any]:
        self.tags[params["ResourceARN"]].update(params["Tags"])
        return {}

    def _untag(self, params: Mapping[str, Any]) -> dict[str, Any]:
        for key in params["TagKeys"]:
            self.tags[params["ResourceARN"]].pop(key, None)
        return {}

    def _register(self, params: Mapping[str, Any]) -> dict[str, Any]:
        key, old = _key(params), self.targets.get(_key(params), {})
        if not old and not {"MinCapacity", "MaxCapacity"} <= params.keys():
            raise ServiceError(
                "ValidationException",
                "MinCapacity and MaxCapacity are required for a new scalable target",
            )
        self._check_resource(params["ResourceId"])
        target = self.targets[key] = {
            "CreationTime": self._region.now,
            "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{ROLE}",
            "ScalableTargetARN": old.get("ScalableTargetARN") or self._arn("scalable-target"),
            **old,
            **{name: value for name, value in params.items() if name != "Tags"},
            "SuspendedState": {
                **old.get("SuspendedState", NOT_SUSPENDED),
                **params.get("SuspendedState", {}),
            },
        }
        arn = target["ScalableTargetARN"]
        self.tags.setdefault(arn, {}).update(params.get("Tags", {}))
        return {"ScalableTargetARN": arn}

    def _check_resource(self, resource: str) -> None:
        _, name, *index = resource.split("/")
        if not self._has_table(name, index[-1] if index else ""):
            raise ServiceError(
                "ValidationException", f"DynamoDB resource does not exist: {resource}"
            )

    def _deregister(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Delete a target, and with it its policies, their alarms, and its scheduled actions."""
        key = _key(params)
        del self.tags[self._existing(params)["ScalableTargetARN"]], self.targets[key]
        for name in [name for name in self.policies if name[:3] == key]:
            self._delete_alarms([a["AlarmName"] for a in self.policies.pop(name)["Alarms"]])
        for name in [name for name in self.actions if name[:3] == key]:
            del self.actions[name]
        return {}

    def _existing(self, params: Mapping[str, Any]) -> dict[str, Any]:
        target = self.targets.get(_key(params))
        if target is None:
            raise ServiceError(
                "ObjectNotFoundException",
                f"No scalable target registered for {', '.join(_key(params))}",
            )
        return target

    def _put_policy(self, params: Mapping[str, Any]) -> dict[str, Any]:
        self._existing(params)
        key = (*_key(params), params["PolicyName"])
        old = self.policies.get(key)
        made = {
            "PolicyARN": self._arn("scalingPolicy"),
            "CreationTime": self._region.now,
            "Alarms": [],
        }
        policy = self.policies[key] = {**(old or made), **params}
        if old is None:
            policy["Alarms"] = [self._alarm(params, level) for level in ("High", "Low")]
        return {"PolicyARN": policy["PolicyARN"], "Alarms": policy["Alarms"]}

    def _alarm(self, params: Mapping[str, Any], level: str) -> dict[str, str]:
        _, table, *index = params["ResourceId"].split("/")
        named = {"TableName": table} | ({"GlobalSecondaryIndexName": index[-1]} if index else {})
        name = f"TargetTracking-{params['ResourceId']}-Alarm{level}-{next(self._numbers)}"
        fields = {
            "AlarmName": name,
            "Namespace": "AWS/DynamoDB",
            "MetricName": CONSUMED[_target(params).dimension],
            "Dimensions": [{"Name": key, "Value": value} for key, value in named.items()],
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 2 if level == "High" else 15,
            "ComparisonOperator": "GreaterThanThreshold"
            if level == "High"
            else "LessThanThreshold",
            "Threshold": 42.0 if level == "High" else 30.0,
            "AlarmActions": [self._arn("scalingPolicy")],
        }
        self._put_alarm(fields)
        return {
            "AlarmName": name,
            "AlarmARN": f"arn:aws:cloudwatch:{self._region.name}:{ACCOUNT}:alarm:{name}",
        }

    def _put_action(self, params: Mapping[str, Any]) -> dict[str, Any]:
        self._existing(params)
        times = self._times(params)
        key = (*_key(params), params["ScheduledActionName"])
        made = {
            "ScheduledActionARN": self._arn("scheduledAction"),
            "CreationTime": self._region.now,
        }
        kept = {
            name: value
            for name, value in self.actions.get(key, made).items()
            if name not in ("StartTime", "EndTime")
        }
        self.actions[key] = {**kept, **params, **times}
        return {}

    def _times(self, params: Mapping[str, Any]) -> dict[str, datetime]:
        """Return an action's times. The API does not say whether it takes those that are past: here
        it does not."""
        given = {name: params[name] for name in ("StartTime", "EndTime") if name in params}
        times = {
            name: datetime.fromisoformat(at) if isinstance(at, str) else at
            for name, at in given.items()
        }
        for name, at in times.items():
            if at <= self._region.now:
                raise ServiceError("ValidationException", f"{name} must be in the future")
        return times

    def _arn(self, kind: str) -> str:
        resource = f"{kind}/{next(self._numbers)}"
        return f"arn:aws:application-autoscaling:{self._region.name}:{ACCOUNT}:{resource}"


def _key(params: Mapping[str, Any]) -> Key:
    return tuple(params[name] for name in KEY)


def _target(params: Mapping[str, Any]) -> Target:
    _, table, *index = params["ResourceId"].split("/")
    is_read = params["ScalableDimension"].endswith(":ReadCapacityUnits")
    side = Dimension.READ if is_read else Dimension.WRITE
    return Target(table, index[-1] if index else "", side)


def _describe(
    name: str, kept: Mapping[Key, dict[str, Any]], params: Mapping[str, Any]
) -> dict[str, Any]:
    wanted = {
        "ServiceNamespace": [params["ServiceNamespace"]],
        "ScalableDimension": [params["ScalableDimension"]]
        if "ScalableDimension" in params
        else None,
        "ResourceId": params.get("ResourceIds")
        or ([params["ResourceId"]] if "ResourceId" in params else None),
    }
    items = [
        item
        for item in kept.values()
        if all(values is None or item[key] in values for key, values in wanted.items())
    ]
    found, more = page(items, params, params.get("MaxResults", PAGE))
    return {name: found, **more}
