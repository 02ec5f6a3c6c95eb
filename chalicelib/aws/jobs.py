"""The adapter of `[[pause]]`: which jobs run now, and which ended today. No choices are made
here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from chalicelib.aws.client import Aws
from chalicelib.config.jobs import JobKind, Pause
from chalicelib.core.budget import next_midnight

CACHED = timedelta(seconds=45)
"""follow_up looks once a minute: within a run, and for the other functions of a container, one
answer is enough."""
DAY = timedelta(days=1)

EMR_ACTIVE = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING")
EMR_ENDED = ("TERMINATED", "TERMINATED_WITH_ERRORS")
"""Source: Amazon EMR API, ClusterStatus.State, read 2026-11."""
GLUE_ACTIVE = frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"})
"""Source: AWS Glue API, JobRun.JobRunState, read 2026-11."""
BACKUP_ACTIVE = frozenset({"CREATED", "PENDING", "RUNNING", "ABORTING"})
"""Source: AWS Backup API, BackupJob.State, read 2026-11."""
BACKUP_LOOK_BACK = timedelta(days=2)
"""A backup job that has been running for longer than this is not found."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job that runs, or that ended: `table` is the table that it belongs to, "" for a job that
    belongs to none."""

    name: str
    running: bool
    table: str = ""


def jobs(aws: Aws, pause: Pause, now: datetime) -> list[Job]:
    """Return the jobs of a condition that run now, and those that ended in this UTC day; a short
    while from memory.

    Raises AwsError (ClientError, BotoCoreError) where one of the Regions cannot be asked.
    """
    found = (
        aws.recent((pause, place), now, CACHED, partial(_ask, aws, pause, place, now))
        for place in pause.regions or ("",)
    )
    return [job for of_place in found for job in of_place]


def _ask(aws: Aws, pause: Pause, region: str, now: datetime) -> list[Job]:
    since = next_midnight(now) - DAY
    ask: Callable[[Any, str, datetime], Iterator[Job]] = ASK[pause.job]
    return list(ask(aws.client(SERVICES[pause.job], region), pause.prefix, since))


def _clusters(emr: Any, prefix: str, since: datetime) -> Iterator[Job]:
    """Every active cluster, and those made since yesterday that have ended today. A page holds 50
    (API_ListClusters, 2026-11)."""
    pages = emr.get_paginator("list_clusters")
    for page in pages.paginate(ClusterStates=list(EMR_ACTIVE)):
        yield from (
            Job(f"EMR cluster {c['Name']}", True)
            for c in page["Clusters"]
            if c["Name"].startswith(prefix)
        )
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
        if states.list_executions(stateMachineArn=arn, statusFilter="RUNNING", maxResults=1)[
            "executions"
        ]:
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
    asked = {"ByResourceType": "DynamoDB", "ByCreatedAfter": since - BACKUP_LOOK_BACK}
    for page in backup.get_paginator("list_backup_jobs").paginate(**asked):
        for job in page["BackupJobs"]:
            if job["State"] in BACKUP_ACTIVE or job.get("CompletionDate", since - DAY) >= since:
                yield Job(
                    "AWS Backup", job["State"] in BACKUP_ACTIVE, _table_of(job["ResourceArn"])
                )


def _exports(dynamodb: Any, _: str, since: datetime) -> Iterator[Job]:
    """The exports of all tables. When one ended is told by DescribeExport alone, so only young ones
    are asked about."""
    asked: dict[str, str] = {}
    while True:
        page = dynamodb.list_exports(**asked)
        for export in page["ExportSummaries"]:
            running = export["ExportStatus"] == "IN_PROGRESS"
            if running or _started(export) >= since - DAY:
                yield from _export(dynamodb, export, running, since)
        if not page.get("NextToken"):
            return
        asked = {"NextToken": page["NextToken"]}


def _export(
    dynamodb: Any, export: Mapping[str, Any], running: bool, since: datetime
) -> Iterator[Job]:
    arn = export["ExportArn"]
    ended = (
        None
        if running
        else dynamodb.describe_export(ExportArn=arn)["ExportDescription"].get("EndTime")
    )
    if running or (ended and ended >= since):
        yield Job("export to S3", running, _table_of(arn))


def _started(export: Mapping[str, Any]) -> datetime:
    """Return when an export began: its ARN ends in /export/MILLISECONDS-RANDOM
    (API_ExportTableToPointInTime, 2026-11)."""
    text = str(export["ExportArn"]).rsplit("/", 1)[-1].partition("-")[0]
    return EPOCH + timedelta(milliseconds=int(text)) if text.isdigit() else NEVER


EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
NEVER = datetime.fromisoformat("9999-01-01T00:00:00+00:00")
"""An export whose beginning cannot be told is asked about."""


def _table_of(arn: str) -> str:
    return arn.rpartition(":table/")[2].partition("/")[0]


ASK: Mapping[JobKind, Callable[[Any, str, datetime], Iterator[Job]]] = {
    "emr_cluster": _clusters,
    "step_function": _executions,
    "glue_job": _glue_runs,
    "backup": _backups,
    "export": _exports,
}
SERVICES: Mapping[JobKind, str] = {
    "emr_cluster": "emr",
    "step_function": "stepfunctions",
    "glue_job": "glue",
    "backup": "backup",
    "export": "dynamodb",
}
