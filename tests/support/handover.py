"""A table that goes from Application Auto Scaling to Headroom and back, in the embedded region."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws.client import Aws
from chalicelib.aws.tables import describe_tables
from chalicelib.config import loader
from chalicelib.run import Run
from headroom.migrate import application_autoscaling, handover
from headroom.migrate.handover import Record
from headroom.region.context import Call
from headroom.region.region import Region
from tests.support.application_autoscaling import action, named, tracking
from tests.support.builders import ACCOUNT, INDEX_READS, READS, WRITES
from tests.support.scenes import (
    FaultAt,
    invoke,
)

SERVICE = "application-autoscaling"
SCALED = (READS, WRITES, INDEX_READS)
BOUNDS = {READS: (5, 200), WRITES: (10, 100), INDEX_READS: (2, 50)}
SINCE = timedelta(days=400)


def setting_up(region: Region) -> None:
    """Let Application Auto Scaling have the reads and writes of `orders`, and the reads of its
    index: policies, actions, tags."""
    client = region.client(SERVICE)
    for target, (low, high) in BOUNDS.items():
        given = {**named(target), "MinCapacity": low, "MaxCapacity": high, "Tags": {"team": "shop"}}
        client.register_scalable_target(
            **given, SuspendedState={"DynamicScalingInSuspended": target is WRITES}
        )
        client.put_scaling_policy(
            **tracking(target, 50.0, f"{target.dimension}-policy", ScaleInCooldown=60)
        )
    for name, schedule, low in (
        ("day", "cron(0 8 * * ? *)", 50),
        ("night", "cron(0 20 * * ? *)", 5),
    ):
        client.put_scheduled_action(**action(schedule, low, name=name, Timezone="Europe/Berlin"))
    soon = region.now + timedelta(days=60)
    client.put_scheduled_action(
        **action("cron(0 9 * * ? *)", 7, name="later", StartTime=soon, EndTime=soon + SINCE)
    )


@pytest.fixture
def region() -> Iterator[Region]:
    """`orders` under Application Auto Scaling, and Headroom deployed with a rule for it."""
    with Region() as region:
        region.create_table("orders", 100, 100, {"by-date": (20, 20)})
        setting_up(region)
        region.deploy(translated(region))
        invoke(region, "sweep")
        region.calls.clear()
        yield region


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "record.json"


def translated(region: Region) -> str:
    aws = Aws("headroom-alarms")
    found = handover.read(aws)
    return application_autoscaling.translate(
        found, describe_tables(aws, found.tables()), region.now, "percent"
    ).text


def run_of(text: str, now: datetime) -> Run:
    """Return what a handover works with; nobody waits, as time is simulated."""
    return Run(Aws("headroom-alarms", sleep=lambda _: None), loader.load(text), now)


@dataclass
class Scene:
    """The two ways, each with a record that is read anew, as every run of the command does."""

    region: Region
    file: Path

    def over(self, text: str | None = None, table: str = "orders") -> list[str]:
        lines: list[str] = []
        config = text or self.region.functions.config
        handover.hand_over(
            lambda: run_of(config, self.region.now), self.record(), table, lines.append
        )
        return lines

    def back(self, table: str = "orders") -> list[str]:
        lines: list[str] = []
        aws = Aws("headroom-alarms", sleep=lambda _: None)
        handover.take_back(aws, self.record(), table, lambda: self.region.now, lines.append)
        return lines

    def record(self) -> Record:
        return Record(self.file, ACCOUNT, self.region.name)


@pytest.fixture
def scene(region: Region, file: Path) -> Scene:
    return Scene(region, file)


def has(region: Region) -> dict[str, Any]:
    """Return all that Application Auto Scaling has, but for what AWS chooses: ARNs, times of
    creation, names of alarms."""
    chosen = {"CreationTime", "ScalableTargetARN", "PolicyARN", "ScheduledActionARN", "Alarms"}
    kept = region.autoscaling

    def plain(found: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
        return {
            str(key): {k: v for k, v in entry.items() if k not in chosen}
            for key, entry in found.items()
        }

    tags = {
        entry["ResourceId"] + entry["ScalableDimension"]: kept.tags[entry["ScalableTargetARN"]]
        for entry in kept.targets.values()
    }
    return copy.deepcopy(
        {
            "targets": plain(kept.targets),
            "policies": plain(kept.policies),
            "actions": plain(kept.actions),
            "tags": tags,
        }
    )


def ours(region: Region) -> set[str]:
    return {name for name in region.cloudwatch.alarms if name.startswith("headroom-")}


def theirs(region: Region) -> set[str]:
    return {name for name in region.cloudwatch.alarms if name.startswith("TargetTracking-")}


class Stopped(KeyboardInterrupt):
    """Ctrl-C, at a call."""


class StopAt(FaultAt):
    """Stop the run at a call, as Ctrl-C does."""

    def applies_to(self, made: Call) -> bool:
        if super().applies_to(made):
            raise Stopped
        return False
