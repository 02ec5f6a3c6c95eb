"""A night with a backup that raises a table's reads itself. Headroom holds them while the backup
runs, and lowers them after it."""

from rich.console import Console

from chalicelib.model import Dimension, Target
from headroom.demo.narrator import Narrator
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
    """Play 20:00 to 04:00: the load falls in the evening, a backup cluster runs from 00:30 to
    02:00, and another cluster runs beside it."""
    with Region(Region().start.replace(hour=20)) as region:
        region.create_table("orders", 450, 50)
        region.deploy(CONFIG)
        reads = _reads()
        region.serve(READS, reads)
        region.serve(WRITES, [8.0] * len(reads))
        narrator = Narrator(console, region)
        _play_night(region, narrator)
        provision = region.tables["orders"].provisions[""]
        row = {
            "table": "orders",
            "reads now": region.units(READS),
            "writes now": region.units(WRITES),
            "decreases after midnight": provision.throughput(region.now).decreases_today,
            "refused by DynamoDB": provision.refused_updates,
        }
        narrator.print_results([row])


def _play_night(region: Region, narrator: Narrator) -> None:
    narrator.say("In the evening the load falls from 400 reads a second to 60.", 4 * HOUR + 30)
    cluster = _start_cluster(region, "backup-orders")
    units = {"ReadCapacityUnits": 4_000, "WriteCapacityUnits": region.units(WRITES)}
    region.client("dynamodb").update_table(TableName="orders", ProvisionedThroughput=units)
    narrator.say(
        "The cluster backup-orders starts. It sets 4,000 reads itself, and reads the whole table.",
        HOUR,
    )
    _start_cluster(region, "reports")
    narrator.say(
        "The backup has read everything and still writes its report. "
        "The cluster reports starts beside it.",
        30,
    )
    region.client("emr").terminate_job_flows(JobFlowIds=[cluster])
    narrator.say(
        "The cluster backup-orders ends. The cluster reports still runs, but no pause names it.",
        2 * HOUR,
    )


def _reads() -> list[float]:
    """Return the reads a second for each minute: they fall in the evening, and the backup reads for
    an hour."""
    evening = [
        DAY_LOAD - (DAY_LOAD - NIGHT_LOAD) * minute / (4 * HOUR) for minute in range(4 * HOUR)
    ]
    return (
        evening + [NIGHT_LOAD] * 30 + [NIGHT_LOAD + BACKUP_LOAD] * HOUR + [NIGHT_LOAD] * (3 * HOUR)
    )


def _start_cluster(region: Region, name: str) -> str:
    machines = {
        "MasterInstanceType": "m5.xlarge",
        "InstanceCount": 1,
        "KeepJobFlowAliveWhenNoSteps": True,
    }
    response = region.client("emr").run_job_flow(
        Name=name, Instances=machines, JobFlowRole="emr", ServiceRole="emr"
    )
    return str(response["JobFlowId"])
