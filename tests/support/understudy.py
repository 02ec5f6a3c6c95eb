"""`orders` with an understudy: the app, the alarm about silence, and the function that it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.config.types import DEFAULT_TOPIC
from chalicelib.model import Target
from headroom.deploy import blueprint, understudy_function
from headroom.deploy.stage import UNDERSTUDY, Stage
from headroom.region.context import environment_of
from headroom.region.region import Region
from tests.support.application_autoscaling import named
from tests.support.builders import ACCOUNT, TOPIC
from tests.support.scenes import MIDDAY, invoke, rules

SECTION = "\n[understudy]\n"
STAGE = Stage("headroom", "dev", {"ALARM_TOPIC": DEFAULT_TOPIC})
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{STAGE.function(UNDERSTUDY)}"
APP = ("on_alarm", "follow_up", "scale_down", "sweep")


@contextmanager
def understudied(config: str | None = None, replicas: tuple[str, ...] = ()) -> Iterator[Region]:
    """`orders` (100/100 units) and its index `by-date` (20/20), after the first sweep."""
    with Region(MIDDAY) as region, environment_of({"ALARM_TOPIC_ARN": TOPIC}):
        region.create_table("orders", 100, 100, {"by-date": (20, 20)})
        region.tables["orders"].replicas = list(replicas)
        deployed = {"POWERTOOLS_SERVICE_NAME": STAGE.prefix}
        region.deploy(config or rules(min_units=5) + SECTION, environment=deployed)
        region.functions.others[UNDERSTUDY] = understudy_function.handler
        silence = next(
            fields
            for fields in blueprint.own_alarms(STAGE, {}, "", [])
            if fields["AlarmName"] == "headroom-dev-silence"
        )
        region.client("cloudwatch").put_metric_alarm(**silence, AlarmActions=[FUNCTION])
        invoke(region, "sweep")
        region.calls.clear()
        yield region


def take_over(region: Region) -> None:
    """Let the understudy run, as if the alarm about silence had run it."""
    invoke(region, UNDERSTUDY)
    region.calls.clear()


def registered(region: Region, target: Target) -> dict[str, Any]:
    """Return a scalable target as Application Auto Scaling has it; empty if there is none."""
    return region.autoscaling.targets.get(tuple(named(target).values()), {})


def suspended(region: Region) -> dict[str, bool]:
    """Tell of each scalable target whether all of its scaling is suspended."""
    return {
        f"{resource} {dimension.rsplit(':', 1)[-1]}": all(entry["SuspendedState"].values())
        for (_, resource, dimension), entry in region.autoscaling.targets.items()
    }
