"""Capacity that follows a fleet: a morning of workers that are found by a tag, and of an Auto
Scaling group."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console

from chalicelib.model import Dimension, Target
from headroom.demo.narrator import Teller
from headroom.region.context import Fault
from headroom.region.ec2 import Ec2, Group
from headroom.region.region import Region

MORNING = datetime(2026, 11, 2, 7, tzinfo=UTC)
MINUTES = 190
WORKER = {"role": "worker"}
PER_WORKER = 40.0
"""Reads a second of a worker that works; the fleet's row gives it 50 units."""
CONFIG = """
[[tables]]
name = "jobs"
strategy = "fleet"      # all of its capacity follows
min_units = 5

[[tables]]
name = "orders"         # follows its load, and never goes below what its fleet calls for

[[fleet]]
name = "workers"
tags = { role = "worker" }
[[fleet.tables]]
table = "jobs"
read = { linear = 50 }
write = { linear = 10 }

[[fleet]]
name = "web"
auto_scaling_group = "web"
[[fleet.tables]]
table = "orders"
read = { ladder = [[1, 50], [3, 200], [5, 400]] }
"""
JOBS, ORDERS = Target("jobs", "", Dimension.READ), Target("orders", "", Dimension.READ)
JOB_WRITES = Target("jobs", "", Dimension.WRITE)


@dataclass
class Seen:
    """What a target went through. throttled: units per second, summed over the minutes."""

    highest: int = 0
    throttled: float = 0.0


def _look(region: Region, seen: Mapping[Target, Seen]) -> None:
    for target, one in seen.items():
        one.highest = max(one.highest, region.units(target))
        one.throttled += region.served[target][1]


def play(console: Console) -> None:
    """Play the morning: workers come before their load does, the API fails, a group grows and
    shrinks, nothing is left."""
    with Region(MORNING) as region:
        tell = Teller(console, region)
        region.create_table("jobs", 5, 5)
        region.create_table("orders", 60, 1)
        _serve(region)
        console.print(
            "Table [bold]jobs[/] follows the workers, whole; [bold]orders[/] follows its load, above what its group calls for."
        )
        console.print(CONFIG.strip(), style="dim", highlight=False, markup=False)
        seen = {target: Seen() for target in (JOBS, JOB_WRITES, ORDERS)}
        region.on_minute.append(lambda now: _look(now, seen))
        region.deploy(CONFIG)
        with tell.listening():
            for _ in _story(region, tell):
                region.run(1)
        rows = [
            {
                "target": target,
                "highest": one.highest,
                "units now": region.units(target),
                "throttled requests": round(one.throttled * 60),
                "decreases of its table": region.tables[target.table]
                .provisions[""]
                .throughput(region.now)
                .decreases_today,
            }
            for target, one in seen.items()
        ]
        tell.numbers("What it came to", rows)
        refused = sum(
            region.tables[name].provisions[""].refused_updates for name in ("jobs", "orders")
        )
        console.print(f"{region.dynamodb.decreases} decreases used, {refused} refused by DynamoDB.")


def _serve(region: Region) -> None:
    """Let the workers read ten minutes after they came, until they go; and the web's load swell and
    fade."""
    region.serve(JOBS, [0.0] * 20 + [6 * PER_WORKER] * 50 + [4 * PER_WORKER] * 90)
    region.serve(
        ORDERS,
        [30.0] * 30 + [30.0 + 4 * minute for minute in range(60)] + [150.0] * 30 + [40.0] * 70,
    )


def _story(region: Region, tell: Teller) -> Iterator[None]:
    """Yield once a minute, so that it passes, after what happens in it."""
    ec2 = Ec2(region)
    tell.say("The group web has two members in service; no worker runs.")
    web = Group(region, "web", 2)
    workers: list[str] = []
    for minute in range(MINUTES):
        match minute:
            case 10:
                tell.say(
                    "Six workers are launched in one reservation. Their load comes ten minutes later."
                )
                workers = ec2.launch(6, WORKER)
            case 30:
                tell.say("The group web grows to five members.")
                web.resize(5)
            case 70:
                tell.say(
                    "EC2 answers no more: no worker can be counted. Meanwhile two of them end."
                )
                region.faults.append(
                    Fault("DescribeInstances", "RequestLimitExceeded", times=MINUTES)
                )
                ec2.terminate(workers[:2])
            case 100:
                tell.say("EC2 answers again.")
                region.faults.clear()
            case 120:
                tell.say(
                    "The group web shrinks to two members: the floor sinks, and the load decides."
                )
                web.resize(2)
            case 160:
                tell.say(
                    "The other four workers end. No instance is left, and jobs goes to its min_units."
                )
                ec2.terminate(workers[2:])
        yield
