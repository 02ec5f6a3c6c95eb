"""The holds of `[[pause]]`: a job of it runs, may be running, or needs the last free decrease."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from chalicelib.aws import jobs as aws_jobs
from chalicelib.aws.jobs import Job
from chalicelib.config.jobs import JobPause
from chalicelib.core.budget import (
    DECREASE_SPACING,
    FREE_DECREASES_PER_DAY,
    decreases_today,
    next_midnight,
)
from chalicelib.core.observation import Observation
from chalicelib.model import DOWN, Alarm, Hold, Reason, Target
from chalicelib.run import Run


def by_jobs(
    run: Run, observations: Mapping[Target, Observation], _: Sequence[Alarm]
) -> Iterator[tuple[Target, Hold | None]]:
    """Yield the holds of the running jobs. Jobs that cannot be read hold decreases.

    A job that runs no longer holds nothing, whatever else runs.
    """
    for pause in run.config.pauses:
        concerned = [target for target in observations if pause.concerns(target.table)]
        if not concerned:
            continue
        subject = f"the jobs of pause {pause.name}"
        jobs = run.read(subject, pause.job, aws_jobs.jobs, run.aws, pause, run.now)
        for target in concerned:
            yield target, judge(pause, jobs, observations[target], run.now)


def judge(
    pause: JobPause, jobs: Sequence[Job] | None, observation: Observation, now: datetime
) -> Hold | None:
    """Return what a condition holds of one target. jobs: those of the condition, None where they
    cannot be read."""
    if jobs is None:
        return Hold(Reason.PAUSE_UNKNOWN, f"pause {pause.name}: its jobs cannot be read", DOWN)
    of_table = [job for job in jobs if job.table in ("", observation.target.table)]
    running = next((job for job in of_table if job.running), None)
    if running:
        return Hold(
            Reason.JOB_RUNNING, f"pause {pause.name}: {running.name} is running", pause.directions
        )
    if pause.reserve_decrease and not of_table and _is_last_free(observation, now):
        return Hold(
            Reason.RESERVED,
            f"pause {pause.name}: the last free decrease is kept for when its job has ended",
            DOWN,
        )
    return None


def _is_last_free(observation: Observation, now: datetime) -> bool:
    """Tell whether a decrease now would make a later one of today wait.

    Once the free four are used up one comes back every hour, and within the day's last hour
    midnight brings four new ones: then there is nothing to keep.
    """
    is_last = decreases_today(observation.throughput, now) == FREE_DECREASES_PER_DAY - 1
    return is_last and next_midnight(now) - now > DECREASE_SPACING
