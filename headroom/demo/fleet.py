"""Capacity that follows a fleet: a morning with workers that have a tag, and with an Auto Scaling
group."""

from datetime import UTC, datetime

from rich.console import Console

from chalicelib.model import Dimension, Target
from headroom.counted import counted
from headroom.demo.day import Timeline, record
from headroom.demo.narrator import Narrator
from headroom.region.context import Fault
from headroom.region.ec2 import Ec2, Group
from headroom.region.region import Region

MORNING = datetime(2026, 11, 2, 7, tzinfo=UTC)
WORKER = {"role": "worker"}
#: Reads a second of a worker that works; the fleet's row gives it 50 units.
PER_WORKER = 40.0
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


def play(console: Console) -> None:
    """Play the morning: workers start before their load, the API fails, a group grows and shrinks,
    and all workers end."""
    with Region(MORNING) as region:
        region.create_table("jobs", 5, 5)
        region.create_table("orders", 60, 1)
        _serve(region)
        console.print(
            "All capacity of table [bold]jobs[/] follows the workers. Table [bold]orders[/] "
            "follows its load, and never goes below what its group calls for.",
            soft_wrap=not console.is_terminal,
        )
        console.print(CONFIG.strip(), style="dim", highlight=False, markup=False, soft_wrap=True)
        timelines = [Timeline(target) for target in (JOBS, JOB_WRITES, ORDERS)]
        region.on_minute.append(lambda now: record(now, timelines))
        region.deploy(CONFIG)
        narrator = Narrator(console, region)
        _play_events(region, narrator)
        rows = [
            {
                "target": timeline.target,
                "highest": max(timeline.units),
                "units now": region.units(timeline.target),
                "throttled requests": round(timeline.throttled_requests),
                "decreases of its table": region.tables[timeline.target.table]
                .provisions[""]
                .throughput(region.now)
                .decreases_today,
            }
            for timeline in timelines
        ]
        narrator.print_results(rows)
        refused = sum(
            region.tables[name].provisions[""].refused_updates for name in ("jobs", "orders")
        )
        console.print(
            f"{counted(region.dynamodb.decreases, 'decrease')} used, {refused} refused by DynamoDB."
        )


def _serve(region: Region) -> None:
    """Let the workers read from ten minutes after their start until their end. Let the load of the
    web rise and fall."""
    region.serve(JOBS, [0.0] * 20 + [6 * PER_WORKER] * 50 + [4 * PER_WORKER] * 90)
    region.serve(
        ORDERS,
        [30.0] * 30 + [30.0 + 4 * minute for minute in range(60)] + [150.0] * 30 + [40.0] * 70,
    )


def _play_events(region: Region, narrator: Narrator) -> None:
    ec2 = Ec2(region)
    web = Group(region, "web", 2)
    narrator.say("The group web has two members in service. No worker runs.", 10)
    narrator.say("Six workers are launched in one reservation. Their load comes ten minutes later.")
    workers = ec2.launch(6, WORKER)
    region.run(20)
    narrator.say("The group web grows to five members.")
    web.resize(5)
    region.run(40)
    narrator.say("EC2 stops answering: workers cannot be counted. Meanwhile two of them end.")
    region.faults.append(Fault("DescribeInstances", "RequestLimitExceeded", times=200))
    ec2.terminate(workers[:2])
    region.run(30)
    region.faults.clear()
    narrator.say("EC2 answers again.", 20)
    narrator.say("The group web shrinks to two members. The floor falls, and the load decides.")
    web.resize(2)
    region.run(40)
    narrator.say("The other four workers end. Table jobs goes to its min_units.")
    ec2.terminate(workers[2:])
    region.run(30)
