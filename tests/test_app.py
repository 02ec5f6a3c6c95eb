"""The entry points: what wakes them, what they read of their environment, what they say of
themselves."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain, repeat
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from chalice.app import ScheduledEventConfig, SNSEventConfig

from chalicelib import telemetry
from chalicelib.config.loader import ConfigError
from chalicelib.model import Reason, SetCapacity, Skip
from chalicelib.run import Failure, Report
from headroom.project import ROOT
from headroom.region.events import scheduled_event
from headroom.region.region import Region
from tests.support.builders import INDEX_WRITES, READS, WRITES, decision
from tests.support.scenes import (
    alarm_message,
    decisions,
    invoke,
    log_lines,
    orders,
    pass_minutes,
    record_invocations,
    rules,
    send,
    skips,
    units,
)

OTHER_TOPIC = "arn:aws:sns:us-east-1:123456789012:capacity"


@pytest.fixture
def region() -> Iterator[Region]:
    with Region() as region:
        yield region


def wiring(app: ModuleType) -> dict[str, str]:
    """Return what wakes each function: its topic, or its schedule."""
    found = {}
    for event in app.app.event_sources:
        match event:
            case SNSEventConfig():
                found[event.name] = event.topic
            case ScheduledEventConfig():
                found[event.name] = str(event.schedule_expression)
    return found


# what wakes what


def test_four_functions_are_woken_by_the_topic_and_three_schedules(region: Region) -> None:
    assert wiring(region.deploy(rules())) == {
        "on_alarm": "headroom-alarms",
        "follow_up": "rate(1 minute)",
        "scale_down": "rate(1 hour)",
        "sweep": "rate(5 minutes)",
    }


@pytest.mark.parametrize("topic", ["capacity", OTHER_TOPIC], ids=["name", "ARN"])
def test_the_topic_is_the_one_that_the_environment_names(region: Region, topic: str) -> None:
    region.client("sns").create_topic(Name="capacity")
    app = region.deploy(rules(), topic)
    assert wiring(app)["on_alarm"] == topic
    subscribed = region.client("sns").list_subscriptions_by_topic(TopicArn=OTHER_TOPIC)[
        "Subscriptions"
    ]
    assert [s["Endpoint"].rsplit(":", 1)[-1] for s in subscribed] == ["on_alarm"]
    assert app.aws().topic_arn == OTHER_TOPIC


def test_the_alarms_of_another_topic_work_end_to_end(region: Region) -> None:
    region.client("sns").create_topic(Name="capacity")
    region.create_table("orders", 100, 100)
    region.deploy(rules(), OTHER_TOPIC)
    region.serve(READS, [10.0] * 3 + [95.0] * 10)
    region.run(8)
    assert units(region)["orders:read"] == 150
    assert region.cloudwatch.alarms["headroom-orders:read"].fields["AlarmActions"] == [OTHER_TOPIC]


def test_how_often_it_scales_down_is_read_from_the_environment(region: Region) -> None:
    app = region.deploy(rules(), environment={"SCALE_DOWN_SCHEDULE": "rate(20 minutes)"})
    assert wiring(app)["scale_down"] == "rate(20 minutes)"


def test_the_adapters_are_made_once_per_container(region: Region) -> None:
    app = region.deploy(rules())
    assert app.aws() is app.aws()


# the configuration


def test_a_wrong_configuration_is_reported_whole_when_the_app_is_imported(region: Region) -> None:
    wrong = (
        '[defaults]\nmin_unit = 5\n[[tables]]\nname = "orders"\nmin_units = 50\nmax_units '
        "= 10\nalarm_percent = 0\n"
    )
    with pytest.raises(ConfigError) as caught:
        region.deploy(wrong)
    assert str(caught.value).splitlines() == [
        "headroom.toml: 2 problems in the configuration",
        "  - defaults.min_unit: unknown key; did you mean min_units?",
        "  - tables[0].alarm_percent: expected a whole number from 1 to 100, got 0",
    ]


def test_a_configuration_that_contradicts_itself_is_reported_when_the_app_is_imported(
    region: Region,
) -> None:
    with pytest.raises(ConfigError) as caught:
        region.deploy('[[tables]]\nname = "orders"\nmin_units = 50\nmax_units = 10\n')
    assert caught.value.problems == [
        "tables[0].read.min_units: 50 is above max_units = 10",
        "tables[0].write.min_units: 50 is above max_units = 10",
    ]


def test_the_configuration_that_ships_manages_nothing_until_it_is_reported_to(
    region: Region,
) -> None:
    assert region.deploy((ROOT / "chalicelib" / "headroom.toml").read_text()).CONFIG.tables == ()


# the time that is left


def context(milliseconds: int, at_first: int = 0) -> Any:
    """Return a context with so much time left. at_first: what the run has when it begins."""
    left = chain([at_first or milliseconds], repeat(milliseconds))
    return SimpleNamespace(get_remaining_time_in_millis=lambda: next(left))


@pytest.mark.parametrize(
    ("left", "read"), [(12_000, 150), (2_000, 100)], ids=["enough", "too little"]
)
def test_no_new_table_is_begun_in_the_last_two_seconds(
    region: Region, left: int, read: int
) -> None:
    region.create_table("orders", 100, 100)
    app = region.deploy(rules())
    pass_minutes(region, 65, {READS: 95.0})
    app.scale_down(scheduled_event(region, "scale_down"), context(left, at_first=300_000))
    assert units(region)["orders:read"] == read


@pytest.mark.parametrize(("demand", "read"), [(95.0, 150), (0.0, 1)], ids=["up", "down"])
def test_the_three_seconds_of_chalices_test_client_scale_both_ways(
    region: Region, demand: float, read: int
) -> None:
    region.create_table("orders", 100, 100)
    app = region.deploy(rules())
    pass_minutes(region, 65, {READS: demand})
    app.scale_down(scheduled_event(region, "scale_down"), context(3_000))
    assert units(region)["orders:read"] == read


# what it says


def test_every_decision_is_one_json_line_with_its_target_its_reason_and_its_numbers() -> None:
    with orders() as region:
        pass_minutes(region, 5, {READS: 95.0})
        reported = log_lines(send(region, alarm_message(region)), "decision")
        assert [
            (line["table"], line["index"], line["dimension"], line["reason"]) for line in reported
        ] == [
            ("orders", "", "read", "UtilizationHigh"),
            ("orders", "", "write", "AlreadyAtDesiredCapacity"),
            ("orders", "by-date", "read", "AlreadyAtDesiredCapacity"),
            ("orders", "by-date", "write", "AlreadyAtDesiredCapacity"),
        ]
        assert reported[0]["message"] == (
            "orders:read 100 → 150 units: consumption is at or above the alarm's level "
            "(UtilizationHigh; alarm level units 80, consumed units 95, warm units 100, "
            "decreases today 0, decreases left 15, next decrease at 2026-11-02T12:05:00+00:00)"
        )
        assert {(line["function"], line["level"], line["service"]) for line in reported} == {
            ("on_alarm", "INFO", "headroom")
        }


def test_every_line_has_lambdas_id_of_the_invocation_and_none_has_the_place_in_the_code(
    region: Region,
) -> None:
    region.create_table("orders", 100, 100)
    app = region.deploy(rules())
    pass_minutes(region, 65, {READS: 95.0})
    for request in ("one", "two"):
        region.functions.logs.clear()
        event = scheduled_event(region, "scale_down")
        app.scale_down(event, SimpleNamespace(**vars(context(60_000)), aws_request_id=request))
        lines = region.functions.logs
        assert {line["function_request_id"] for line in lines} == {request}
        assert not any("location" in line for line in lines)


def test_every_function_speaks_under_its_own_name() -> None:
    with orders() as region:
        pass_minutes(region, 65)
        assert {line["function"] for line in invoke(region, "scale_down").logs} == {"scale_down"}
        assert {line["function"] for line in invoke(region, "sweep").logs} == {"sweep"}


@pytest.mark.slow(traced=True)
def test_what_the_app_logs_really_reaches_standard_output_once() -> None:
    """Chalice names its logger after the app, powertools after the service: here it is the same,
    and INFO must not be lost."""
    code = "import app; app.telemetry.logger.info('heard')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == ["heard"]
    assert done.stderr == ""


def test_a_function_returns_its_counts(region: Region) -> None:
    region.create_table("orders", 100, 100)
    app = region.deploy(rules())
    pass_minutes(region, 65)
    counts = app.scale_down(scheduled_event(region, "scale_down"), context(60_000))
    assert counts == {"Kept": 0, "ScaledUp": 0, "ScaledDown": 2, "Skipped": 0, "Failed": 0}


def report() -> Report:
    """Return a report with one of everything."""
    return Report(
        decisions=[
            decision(READS, 100, 150),
            decision(WRITES, 50, 20),
            decision(INDEX_WRITES),
            decision(desired=9, dry_run=True),
        ],
        skips=[Skip("orders-old", Reason.GONE, "the table does not exist")],
        done=[SetCapacity("orders", ())],
        failures=[Failure("orders", "UpdateTable", RuntimeError("no"))],
    )


def embedded(capsys: pytest.CaptureFixture[str]) -> list[tuple[list[str], dict[str, Any]]]:
    """Return the dimensions and the values of each embedded metric line that was printed."""
    found = []
    for line in map(json.loads, capsys.readouterr().out.splitlines()):
        if "_aws" in line:
            (metrics,) = line.pop("_aws")["CloudWatchMetrics"]
            assert metrics["Namespace"] == "Headroom"
            found.append((metrics["Dimensions"][0], line))
    return found


def test_the_counts_are_printed_as_an_embedded_metric(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.RunLog("sweep").finish(report())
    assert embedded(capsys) == [
        (
            ["service"],
            {
                "service": "headroom",
                "ScaledUp": [1.0],
                "ScaledDown": [1.0],
                "Kept": [1.0],
                "WouldScale": [1.0],
                "Skipped": [1.0],
                "Failed": [1.0],
            },
        )
    ]


def test_tables_that_a_run_did_not_reach_are_a_metric_of_their_own_where_there_are_any() -> None:
    counts = telemetry.RunLog("sweep").finish(Report(unreached=["orders", "users"]))
    assert counts["NotReached"] == 2
    assert "NotReached" not in telemetry.RunLog("sweep").finish(Report())


def test_a_run_without_a_failure_counts_as_completed_under_its_functions_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry.RunLog("sweep", "headroom-dev").finish(report())
    telemetry.RunLog("follow_up", "headroom-dev").finish(Report())
    *_, (dimensions, values) = embedded(capsys)
    assert dimensions == ["function", "service"]
    assert values == {"function": "follow_up", "service": "headroom-dev", "Completed": [1.0]}


def test_the_counts_of_two_runs_are_apart(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.RunLog("sweep").finish(report())
    telemetry.RunLog("follow_up").finish(Report())
    _, (_, second), _ = embedded(capsys)
    assert second == {
        "service": "headroom",
        "Kept": [0.0],
        "ScaledUp": [0.0],
        "ScaledDown": [0.0],
        "Skipped": [0.0],
        "Failed": [0.0],
    }


def test_skips_are_warnings_and_failures_are_errors() -> None:
    with orders() as region:
        invocations = record_invocations(region)
        invocation = send(region, "no json")
        assert [line["level"] for line in log_lines(invocation, "skip")] == ["WARNING"]
        assert (skips(invocation), decisions(invocation)) == ([("message", "MalformedMessage")], {})
        assert invocations == [invocation]
