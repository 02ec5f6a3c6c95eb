"""Responses of Application Auto Scaling, and what a translation says of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from chalicelib.config import loader
from chalicelib.config.policy import Policy
from chalicelib.model import Dimension, TableState, Target, Throughput
from headroom.migrate.application_autoscaling import Autoscaling, Translation, translate
from tests.support.builders import READS

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
MONDAY = NOW.replace(hour=0)
WEEK = range(0, 7 * 1440)
BERLIN = "Europe/Berlin"


def named(target: Target) -> dict[str, str]:
    side = f"{target.dimension}CapacityUnits".title().replace("capacityunits", "CapacityUnits")
    where = f"/index/{target.index}" if target.index else ""
    return {
        "ServiceNamespace": "dynamodb",
        "ResourceId": f"table/{target.table}{where}",
        "ScalableDimension": f"dynamodb:{'index' if target.index else 'table'}:{side}",
    }


def scalable(
    target: Target = READS, low: int = 5, high: int = 200, **suspended: bool
) -> dict[str, Any]:
    return {**named(target), "MinCapacity": low, "MaxCapacity": high, "SuspendedState": suspended}


def tracking(
    target: Target = READS, value: float = 70.0, name: str = "tracking", **configuration: Any
) -> dict[str, Any]:
    metric = {"PredefinedMetricType": f"DynamoDB{target.dimension.title()}CapacityUtilization"}
    entry = {"TargetValue": value, "PredefinedMetricSpecification": metric, **configuration}
    return {
        **named(target),
        "PolicyName": name,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": entry,
    }


def action(
    schedule: str,
    low: int | None = None,
    high: int | None = None,
    name: str = "action",
    **fields: Any,
) -> dict[str, Any]:
    sizes = {
        key: size for key, size in (("MinCapacity", low), ("MaxCapacity", high)) if size is not None
    }
    return {
        **named(READS),
        "ScheduledActionName": name,
        "Schedule": schedule,
        "ScalableTargetAction": sizes,
        **fields,
    }


def table(*indexes: str, name: str = "orders", on_demand: bool = False) -> TableState:
    units = Throughput({Dimension.READ: 10, Dimension.WRITE: 10})
    return TableState(
        name,
        f"arn:aws:dynamodb:us-east-1:1:table/{name}",
        True,
        on_demand,
        dict.fromkeys(("", *indexes), units),
    )


def of(*found: Mapping[str, Any], state: Any = "", strategy: Any = "adaptive") -> Translation:
    """Translate what is found, of the table `orders` with its index `by-date` (or of another state
    of it)."""
    entities = Autoscaling(
        [entry for entry in found if "MinCapacity" in entry],
        [entry for entry in found if "PolicyName" in entry],
        [entry for entry in found if "ScheduledActionName" in entry],
    )
    return translate(
        entities, {"orders": table("by-date") if state == "" else state}, NOW, strategy
    )


def policy(translation: Translation, target: Target = READS) -> Policy:
    found = loader.load(translation.text).policy_for(target)
    assert found is not None
    return found


def verdicts(translation: Translation, subject: str) -> list[str]:
    return [note.verdict for note in translation.notes if note.subject == subject]


def explanation_of(translation: Translation, subject: str) -> str:
    return "; ".join(note.text for note in translation.notes if note.subject == subject)
