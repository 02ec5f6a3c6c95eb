"""Pausing while something else owns the capacity: the conditions of `[[pause]]`, through real calls
in the embedded region.

What went wrong in the pause switch that this comes from has its test here: active jobs that do not
match kept it paused for ever, an error of the API counted as "no job", and names with spaces fell
apart.
"""

import io
import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from chalicelib.aws.jobs import Job
from chalicelib.config.jobs import JobPause
from chalicelib.config.loader import ConfigError, load
from chalicelib.holds.jobs import judge
from chalicelib.model import BOTH, DOWN, Reason
from headroom.demo.scenes import play
from headroom.deploy import permissions
from headroom.project import ROOT
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import NOON, held, observation
from tests.support.laws import COSTLY
from tests.support.scenes import (
    MONDAY,
    decisions,
    failures,
    invoke,
    invoke_after,
    orders,
    pass_minutes,
    reasons,
    rules,
    set_units,
    units,
)

NIGHT = 'name = "nightly"\njob = "emr_cluster"\nprefix = "backup-"\ntables = ["orders*"]\n'
EMR = JobPause(name="nightly", job="emr_cluster", prefix="backup-", tables=("orders*",))
RUNNING, ENDED = Job("EMR cluster backup-7", True), Job("EMR cluster backup-7", False)
LOW, HIGH = {"orders": 5.0}, {"orders": 95.0}


def paused_by(text: str) -> str:
    return rules() + "\n[[pause]]\n" + text


# the verdict


@pytest.mark.parametrize(
    ("settings", "jobs", "used", "expected"),
    [
        pytest.param({}, [], 0, None, id="no job: resumed"),
        pytest.param(
            {}, [RUNNING], 0, (Reason.JOB_RUNNING, BOTH), id="a job runs: everything is held"
        ),
        pytest.param(
            {"holds": "decreases"},
            [RUNNING],
            0,
            (Reason.JOB_RUNNING, DOWN),
            id="… or decreases only",
        ),
        pytest.param({}, [ENDED], 0, None, id="a job that ended holds nothing"),
        pytest.param(
            {}, [ENDED, RUNNING], 0, (Reason.JOB_RUNNING, BOTH), id="one ended and another runs"
        ),
        pytest.param(
            {},
            None,
            0,
            (Reason.PAUSE_UNKNOWN, DOWN),
            id="unknown: decreases are held, increases are not",
        ),
        pytest.param({}, [], 3, None, id="nothing is kept by default"),
        pytest.param({"reserve_decrease": True}, [], 2, None, id="kept: one is left after this"),
        pytest.param(
            {"reserve_decrease": True}, [], 3, (Reason.RESERVED, DOWN), id="kept: the last free one"
        ),
        pytest.param(
            {"reserve_decrease": True}, [ENDED], 3, None, id="kept until the job has ended"
        ),
        pytest.param(
            {"reserve_decrease": True},
            [],
            4,
            None,
            id="all four are gone, and one comes back every hour",
        ),
        pytest.param({}, [Job("AWS Backup", True, "users")], 0, None, id="a job on another table"),
        pytest.param(
            {},
            [Job("AWS Backup", True, "orders")],
            0,
            (Reason.JOB_RUNNING, BOTH),
            id="a job on this table",
        ),
    ],
)
def test_what_a_condition_holds(
    settings: dict[str, Any], jobs: list[Job] | None, used: int, expected: Any
) -> None:
    pause = JobPause(
        name="nightly", job="emr_cluster", prefix="backup-", tables=("orders*",), **settings
    )
    assert (
        held(
            judge(
                pause,
                jobs,
                observation(decreases_today=used, last_decrease_at=NOON - timedelta(minutes=30)),
                NOON,
            )
        )
        == expected
    )


@pytest.mark.parametrize(("minute", "is_kept"), [(59, True), (60, False), (61, False)])
def test_in_the_last_hour_of_the_utc_day_nothing_is_kept_since_midnight_brings_four(
    minute: int, is_kept: bool
) -> None:
    pause = JobPause(
        name="nightly",
        job="emr_cluster",
        prefix="backup-",
        tables=("orders*",),
        reserve_decrease=True,
    )
    now = NOON.replace(hour=22) + timedelta(minutes=minute)
    seen = observation(decreases_today=3, last_decrease_at=now - timedelta(minutes=30))
    assert (judge(pause, [], seen, now) is not None) == is_kept


@pytest.mark.slow
@COSTLY
@given(
    st.lists(st.builds(Job, st.text(), st.just(False), st.sampled_from(["", "orders", "users"])))
)
def test_without_a_running_job_nothing_stays_paused(jobs: list[Job]) -> None:
    assert judge(EMR, jobs, observation(), NOON) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            'job = "emr_cluster"\ntables = ["a"]',
            "job = 'emr_cluster' needs the prefix of its name",
            id="no prefix",
        ),
        pytest.param(
            'job = "backup"\ntables = ["a"]\nprefix = "x"',
            "belongs to the table",
            id="a prefix too many",
        ),
        pytest.param(
            'job = "emr_cluster"\nprefix = "x"\ntables = []',
            "pause[0].tables: expected a list that is not empty, got []",
            id="none",
        ),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f'[[pause]]\nname = "x"\n{text}\n')
    assert problem in caught.value.problems[0]


# the jobs, each through its service


def run_cluster(region: Region, name: str = "backup-7", where: str = "us-east-1") -> str:
    import boto3

    machines = {
        "MasterInstanceType": "m5.xlarge",
        "InstanceCount": 1,
        "KeepJobFlowAliveWhenNoSteps": True,
    }
    made = boto3.client("emr", where).run_job_flow(
        Name=name, Instances=machines, JobFlowRole="role", ServiceRole="role"
    )
    return str(made["JobFlowId"])


def of_emr(region: Region) -> Callable[[], None]:
    cluster = run_cluster(region)
    return lambda: region.client("emr").terminate_job_flows(JobFlowIds=[cluster])


def of_states(region: Region) -> Callable[[], None]:
    states = region.client("stepfunctions")
    wait = json.dumps(
        {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
    )
    role = "arn:aws:iam::123456789012:role/machine"
    machine = states.create_state_machine(name="backup-all", definition=wait, roleArn=role)[
        "stateMachineArn"
    ]
    run = states.start_execution(stateMachineArn=machine)["executionArn"]
    return lambda: states.stop_execution(executionArn=run)


def of_glue(region: Region) -> Callable[[], None]:
    region.client("glue").create_job(Name="backup-orders", Role="role", Command={"Name": "glueetl"})
    run = {
        "Id": "jr_1",
        "JobName": "backup-orders",
        "JobRunState": "RUNNING",
        "StartedOn": region.now,
    }
    region.answers["glue", "GetJobRuns"] = lambda _: {"JobRuns": [run]}
    return lambda: run.update(JobRunState="SUCCEEDED", CompletedOn=region.now)


def of_backup(region: Region) -> Callable[[], None]:
    job = {
        "ResourceArn": "arn:aws:dynamodb:us-east-1:123456789012:table/orders",
        "State": "RUNNING",
        "ResourceType": "DynamoDB",
    }
    region.answers["backup", "ListBackupJobs"] = lambda _: {"BackupJobs": [job]}
    return lambda: job.update(State="COMPLETED", CompletionDate=region.now)


def of_export(region: Region) -> Callable[[], None]:
    export = f"export/{int(region.now.timestamp() * 1000)}-0ab5fb8e"
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/orders/{export}"
    text: dict[str, Any] = {"ExportArn": arn, "ExportStatus": "IN_PROGRESS"}
    region.answers["dynamodb", "ListExports"] = lambda _: {"ExportSummaries": [text]}
    region.answers["dynamodb", "DescribeExport"] = lambda _: {"ExportDescription": text}
    return lambda: text.update(ExportStatus="COMPLETED", EndTime=region.now)


JOBS: Mapping[str, tuple[str, Callable[[Region], Callable[[], None]]]] = {
    "emr_cluster": ('prefix = "backup-"', of_emr),
    "step_function": ('prefix = "backup-"', of_states),
    "glue_job": ('prefix = "backup-"', of_glue),
    "backup": ("", of_backup),
    "export": ("", of_export),
}


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize("kind", JOBS)
def test_capacity_is_held_while_the_job_runs_and_comes_down_when_it_has_ended(kind: str) -> None:
    more, start = JOBS[kind]
    text = (
        f'name = "nightly"\njob = "{kind}"\ntables = ["orders"]\nreserve_decrease = true\n{more}\n'
    )
    with orders(paused_by(text), start=MONDAY) as region:
        end = start(region)
        assert set(reasons(invoke_after(region, "scale_down", 120, {})).values()) == {"JobRunning"}
        assert "running" in str(decisions(invoke(region, "sweep")))
        end()
        assert (
            reasons(invoke_after(region, "scale_down", 5, {}))["orders:read"],
            units(region)["orders:read"],
        ) == ("UtilizationLow", 1)


@pytest.mark.slow(traced=True)
def test_an_increase_is_held_as_well_unless_only_decreases_are() -> None:
    for more, now in (("", 100), ('holds = "decreases"\n', 150)):
        with orders(paused_by(NIGHT + more)) as region:
            run_cluster(region)
            invoke_after(region, "sweep", 10, dict.fromkeys(region.targets(), 90.0))
            assert units(region)["orders:read"] == now


def test_what_the_job_raised_by_hand_stays_until_it_ends() -> None:
    with orders(paused_by(NIGHT), start=MONDAY) as region:
        cluster = run_cluster(region)
        set_units(region, "orders", 4_000, 100)
        invoke_after(region, "scale_down", 180, {})
        assert units(region)["orders:read"] == 4_000
        region.client("emr").terminate_job_flows(JobFlowIds=[cluster])
        invoke_after(region, "scale_down", 5, {})
        assert units(region)["orders:read"] == 1


def test_another_cluster_holds_nothing_so_that_it_never_stays_paused() -> None:
    with orders(paused_by(NIGHT), start=MONDAY) as region:
        run_cluster(region, "reports")
        invoke_after(region, "scale_down", 120, {})
        assert units(region)["orders:read"] == 1


@pytest.mark.slow
def test_a_cluster_is_found_on_any_page_and_in_any_region() -> None:
    with orders(
        paused_by(NIGHT + 'regions = ["eu-west-1", "us-east-1"]\n'), start=MONDAY
    ) as region:
        for number in range(60):
            run_cluster(region, f"reports-{number}")
        run_cluster(region, "backup-7")
        assert set(reasons(invoke_after(region, "scale_down", 120, {})).values()) == {"JobRunning"}
    with orders(paused_by(NIGHT + 'regions = ["eu-west-1"]\n'), start=MONDAY) as region:
        run_cluster(region, "backup 7 of two words", where="us-east-1")
        run_cluster(region, "backup-8 of two words", where="eu-west-1")
        assert "backup-8 of two words" in str(
            decisions(invoke_after(region, "scale_down", 120, {}))
        )


def test_an_error_of_the_api_holds_decreases_lets_increases_go_on_and_is_reported() -> None:
    with orders(paused_by(NIGHT), start=MONDAY) as region:
        pass_minutes(region, 120, {})
        region.faults.append(Fault("ListClusters", "AccessDeniedException", times=10))
        invocation = invoke(region, "scale_down")
        assert set(reasons(invocation).values()) == {"PauseUnknown"}
        assert "the jobs of pause nightly: emr_cluster failed" in failures(invocation)[0]
        invoke_after(region, "sweep", 10, dict.fromkeys(region.targets(), 90.0))
        assert units(region)["orders:read"] == 150


def test_the_jobs_are_listed_once_a_minute() -> None:
    with orders(paused_by(NIGHT), start=MONDAY) as region:
        pass_minutes(region, 120, {})
        request = []
        for function, seconds in (("scale_down", 30), ("sweep", 30), ("sweep", 0)):
            region.calls.clear()
            invoke(region, function)
            request.append(sum(made.operation == "ListClusters" for made in region.calls))
            region.travel(region.now + timedelta(seconds=seconds))
        assert request == [2, 0, 2]


def test_without_a_condition_nothing_is_listed_and_nothing_more_is_allowed() -> None:
    services = ("elasticmapreduce:", "states:", "glue:", "backup:", "dynamodb:ListExports")
    assert not any(
        service in json.dumps(permissions.configured_policy(load(rules()), "sweep"))
        for service in services
    )
    with orders(start=MONDAY) as region:
        invoke_after(region, "scale_down", 120, {})
        assert {made.service for made in region.calls} <= {
            "dynamodb",
            "cloudwatch",
            "application-autoscaling",
            "sts",
        } | {"resourcegroupstaggingapi"}


def test_what_is_allowed_is_limited_to_the_configured_names() -> None:
    text = paused_by('name = "x"\njob = "glue_job"\nprefix = "etl-"\ntables = ["orders"]\n')
    policy = permissions.configured_policy(load(text), "sweep")
    resources = [
        s["Resource"] for s in policy["Statement"] if s.get("Action") == ["glue:GetJobRuns"]
    ]
    assert resources == [["arn:*:glue:*:*:job/etl-*"]]


def test_the_example_of_the_page_is_a_configuration() -> None:
    example = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "jobs.md").read_text(), re.DOTALL)
    assert [pause.job for text in example for pause in load(text).pauses] == [
        "emr_cluster",
        "export",
    ]


@pytest.mark.slow(traced=True)
def test_the_demos_scene_holds_what_the_backup_raised_and_lowers_it_when_it_has_ended() -> None:
    texts = io.StringIO()
    play("backup", Console(file=texts, width=200))
    text = texts.getvalue()
    assert (
        text.index("JobRunning; held by pause nightly backup")
        < text.index("backup-orders ends")
        < text.index("4000 → 64 units")
    )
    assert re.search(r"│ orders │ +64 │ +10 │ +2 │ +0 │", text)
