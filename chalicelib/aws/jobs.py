"""The adapter of `[[pause]]`: the jobs that run now, and those that ended today."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from chalicelib.aws.client import Aws
from chalicelib.config.jobs import JobKind, JobPause
from chalicelib.core.budget import next_midnight

#: follow_up looks once a minute. One answer serves a run, and other functions of the container.
CACHED = timedelta(seconds=45)
DAY = timedelta(days=1)

#: Source: Amazon EMR API, ClusterStatus.State, read 2026-11.
EMR_ACTIVE = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING")
EMR_ENDED = ("TERMINATED", "TERMINATED_WITH_ERRORS")
#: Source: AWS Glue API, JobRun.JobRunState, read 2026-11.
GLUE_ACTIVE = frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"})
#: Source: AWS Backup API, BackupJob.State, read 2026-11.
BACKUP_ACTIVE = frozenset({"CREATED", "PENDING", "RUNNING", "ABORTING"})
#: The beginning of an export that does not show it: it counts as young.
NEVER = datetime.max.replace(tzinfo=UTC)
#: A backup job that has been running for longer than this is not found.
BACKUP_LOOK_BACK = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Job:
    """A job that runs, or that has ended. table: the table that it belongs to, "" for none."""

    name: str
    running: bool
    table: str = ""


def jobs(aws: Aws, pause: JobPause, now: datetime) -> list[Job]:
    """Return the jobs of a condition that run now, and those that ended in this UTC day.

    The answer is kept for a short time. Raises AwsError where one of the Regions
    does not answer.
    """
    answers: list[Job] = []
    for region in pause.regions or ("",):
        read = partial(_read, aws, pause, region, now)
        answers += aws.recent((pause, region), now, CACHED, read)
    return answers


def _read(aws: Aws, pause: JobPause, region: str, now: datetime) -> list[Job]:
    service, read = READERS[pause.job]
    return list(read(aws.client(service, region), pause.prefix, next_midnight(now) - DAY))


def _clusters(emr: Any, prefix: str, since: datetime) -> Iterator[Job]:
    """Yield the active clusters, and those made since yesterday that ended today.

    A page holds 50. Source: API_ListClusters, read 2026-11.
    """
    pages = emr.get_paginator("list_clusters")
    for page in pages.paginate(ClusterStates=list(EMR_ACTIVE)):
        for cluster in page["Clusters"]:
            if cluster["Name"].startswith(prefix):
                yield Job(f"EMR cluster {cluster['Name']}", True)
    for page in pages.paginate(ClusterStates=list(EMR_ENDED), CreatedAfter=since - DAY):
        for cluster in page["Clusters"]:
            ended = cluster["Status"].get("Timeline", {}).get("EndDateTime")
            if cluster["Name"].startswith(prefix) and ended and ended >= since:
                yield Job(f"EMR cluster {cluster['Name']}", False)


def _executions(states: Any, prefix: str, since: datetime) -> Iterator[Job]:
    machines = [
        m
        for page in states.get_paginator("list_state_machines").paginate()
        for m in page["stateMachines"]
    ]
    for machine in [m for m in machines if m["name"].startswith(prefix)]:
        arn, name = machine["stateMachineArn"], f"state machine {machine['name']}"
        running = states.list_executions(stateMachineArn=arn, statusFilter="RUNNING", maxResults=1)
        if running["executions"]:
            yield Job(name, True)
        newest = states.list_executions(stateMachineArn=arn, maxResults=10)["executions"]
        if any(run.get("stopDate") and run["stopDate"] >= since for run in newest):
            yield Job(name, False)


def _glue_runs(glue: Any, prefix: str, since: datetime) -> Iterator[Job]:
    names = [
        name for page in glue.get_paginator("list_jobs").paginate() for name in page["JobNames"]
    ]
    for name in [name for name in names if name.startswith(prefix)]:
        # the newest runs come first; one that runs is among as many as a job may have at once
        for run in glue.get_job_runs(JobName=name, MaxResults=100)["JobRuns"]:
            if run["JobRunState"] in GLUE_ACTIVE:
                yield Job(f"Glue job {name}", True)
            elif run.get("CompletedOn") and run["CompletedOn"] >= since:
                yield Job(f"Glue job {name}", False)


def _backups(backup: Any, _: str, since: datetime) -> Iterator[Job]:
    created_after = since - BACKUP_LOOK_BACK
    pages = backup.get_paginator("list_backup_jobs")
    for page in pages.paginate(ByResourceType="DynamoDB", ByCreatedAfter=created_after):
        for job in page["BackupJobs"]:
            running = job["State"] in BACKUP_ACTIVE
            if running or job.get("CompletionDate", since - DAY) >= since:
                yield Job("AWS Backup", running, _table_of(job["ResourceArn"]))


def _exports(dynamodb: Any, _: str, since: datetime) -> Iterator[Job]:
    """Yield the exports of all tables.

    Only DescribeExport says when one ended. So it is called for exports that began since yesterday.
    """
    request: dict[str, str] = {}
    while True:
        page = dynamodb.list_exports(**request)
        for export in page["ExportSummaries"]:
            running = export["ExportStatus"] == "IN_PROGRESS"
            if running or _started(export) >= since - DAY:
                yield from _export(dynamodb, export, running, since)
        if not page.get("NextToken"):
            return
        request = {"NextToken": page["NextToken"]}


def _export(
    dynamodb: Any, export: Mapping[str, Any], running: bool, since: datetime
) -> Iterator[Job]:
    arn, ended = export["ExportArn"], None
    if not running:
        description = dynamodb.describe_export(ExportArn=arn)["ExportDescription"]
        ended = description.get("EndTime")
    if running or (ended and ended >= since):
        yield Job("export to S3", running, _table_of(arn))


def _started(export: Mapping[str, Any]) -> datetime:
    """Return when an export began: its ARN ends in /export/MILLISECONDS-RANDOM.

    Source: API_ExportTableToPointInTime, read 2026-11.
    """
    text = str(export["ExportArn"]).rsplit("/", 1)[-1].partition("-")[0]
    return datetime.fromtimestamp(int(text) / 1_000, UTC) if text.isdigit() else NEVER


def _table_of(arn: str) -> str:
    return arn.rpartition(":table/")[2].partition("/")[0]


Reader = Callable[[Any, str, datetime], Iterator[Job]]
#: The service of each kind of job, and the function that reads its jobs.
READERS: Mapping[JobKind, tuple[str, Reader]] = {
    "emr_cluster": ("emr", _clusters),
    "step_function": ("stepfunctions", _executions),
    "glue_job": ("glue", _glue_runs),
    "backup": ("backup", _backups),
    "export": ("dynamodb", _exports),
}
