"""A night with a backup that raises a table's reads itself: held while it runs, lowered when it has
ended."""

from rich.console import Console

from chalicelib.model import Dimension, Target
from headroom.demo.narrator import Teller
from headroom.region.region import Region

CONFIG = """
[[tables]]
name = "orders"
min_units = 10

[[pause]]
name = "nightly backup"
job = "emr_cluster"
prefix = "backup-"
tables = ["orders"]
reserve_decrease = true
"""
READS, WRITES = (Target("orders", "", dimension) for dimension in Dimension)
DAY_LOAD, NIGHT_LOAD, BACKUP_LOAD = 400.0, 60.0, 3_000.0
HOUR = 60


def play(console: Console) -> None:
    """Play 20:00 to 04:00: an evening that grows quiet, a backup cluster from 00:30 to 02:00, and
    another cluster beside it."""
    start = Region().start.replace(hour=20)
    with Region(start) as region:
        teller = Teller(console, region)
        region.create_table("orders", 450, 50)
        region.deploy(CONFIG)
        region.serve(READS, _reads())
        region.serve(WRITES, [8.0] * len(_reads()))
        with teller.listening():
            teller.say("an evening of 400 reads a second, growing quiet")
            region.run(4 * HOUR + 30)
            cluster = _start(region, "backup-orders")
            teller.say(
                "the cluster backup-orders starts, sets 4,000 reads itself, and reads the whole table"
            )
            region.client("dynamodb").update_table(
                TableName="orders",
                ProvisionedThroughput={
                    "ReadCapacityUnits": 4_000,
                    "WriteCapacityUnits": region.units(WRITES),
                },
            )
            region.run(HOUR)
            teller.say(
                "an hour later the reading is over, and the cluster still writes its report; another cluster starts beside it"
            )
            _start(region, "reports")
            region.run(30)
            region.client("emr").terminate_job_flows(JobFlowIds=[cluster])
            teller.say("backup-orders ends; reports goes on, which is no reason to stay paused")
            region.run(2 * HOUR)
        seen = region.tables["orders"].provisions[""].throughput(region.now)
        teller.numbers(
            "What it came to",
            [
                {
                    "table": "orders",
                    "reads now": region.units(READS),
                    "writes now": region.units(WRITES),
                    "decreases after midnight": seen.decreases_today,
                    "refused by DynamoDB": region.tables["orders"].provisions[""].refused_updates,
                }
            ],
        )


def _reads() -> list[float]:
    """Return the reads a second, minute by minute: the evening falls to its night, and the backup
    reads for an hour."""
    evening = [
        DAY_LOAD - (DAY_LOAD - NIGHT_LOAD) * minute / (4 * HOUR) for minute in range(4 * HOUR)
    ]
    return (
        evening + [NIGHT_LOAD] * 30 + [NIGHT_LOAD + BACKUP_LOAD] * HOUR + [NIGHT_LOAD] * (3 * HOUR)
    )


def _start(region: Region, name: str) -> str:
    machines = {
        "MasterInstanceType": "m5.xlarge",
        "InstanceCount": 1,
        "KeepJobFlowAliveWhenNoSteps": True,
    }
    said = region.client("emr").run_job_flow(
        Name=name, Instances=machines, JobFlowRole="emr", ServiceRole="emr"
    )
    return str(said["JobFlowId"])
