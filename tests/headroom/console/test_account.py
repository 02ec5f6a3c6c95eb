"""The console of an account: it only reads, unless it is started with --write."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.aws.client import Aws
from chalicelib.config.loader import load
from headroom.commands.plan import Pass
from headroom.console.data import Account
from headroom.console.site import Site
from headroom.deploy import stage as stages
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.console import Client, served
from tests.support.scenes import alarm_message, orders, pass_minutes, rules, writes
from tests.support.untraced import untraced

TARGET = {"table": "orders", "dimension": "read"}


@pytest.fixture
def region() -> Iterator[Region]:
    """`orders` is hot, so that the next pass raises it."""
    with orders(rules("orders")) as region:
        with untraced():
            pass_minutes(region, 20, {READS: 95.0}, {READS: 5.0})
        yield region


def site(region: Region, *, writes: bool, stage: str = "", glob: str = "*") -> Site:
    tables = Pass(Aws("headroom-alarms"), load(rules("orders")), Path("some.toml"), glob)
    return Site(Account(tables, stages.read(stage) if stage else None, lambda: region.now), writes)


@pytest.fixture
def reader(region: Region) -> Iterator[Client]:
    with served(site(region, writes=False)) as client:
        yield client


@pytest.fixture
def writer(region: Region) -> Iterator[Client]:
    with served(site(region, writes=True)) as client:
        yield client


def test_without_write_it_shows_everything_and_does_nothing(region: Region, reader: Client) -> None:
    data = reader.get("api/overview").data
    assert (data["kind"], data["writes"], data["plan"]["actions"] > 0) == ("account", False, True)
    refused = reader.post("api/apply", plan_number=data["plan_number"])
    assert (refused.status, "start it with --write" in refused.data["error"]) == (403, True)
    text = json.dumps(alarm_message(region))
    assert reader.post("api/message", text=text, dry_run=False).status == 403
    would = reader.post("api/message", text=text).data
    assert any(line.startswith("Would set orders:read 100 → ") for line in would["lines"])
    assert reader.post("api/play", minutes=5).status == 404
    assert writes(region) == []


def test_with_write_the_plan_is_applied_and_a_message_handled(
    region: Region, writer: Client
) -> None:
    number = writer.get("api/overview").data["plan_number"]
    done = writer.post("api/apply", plan_number=number).data
    assert done["left"] == []
    assert any(line.startswith("Set orders:read 100 → ") for line in done["done"])
    region.travel(region.now + timedelta(hours=1))
    region.dynamodb.complete_updates()
    with untraced():
        pass_minutes(region, 10, {READS: 600.0})
    text = json.dumps(alarm_message(region))
    sent = writer.post("api/message", text=text, dry_run=False).data
    assert sent["changed"]


def test_an_old_plan_is_not_applied(region: Region, writer: Client) -> None:
    assert writer.post("api/apply", plan_number=0).status == 409
    number = writer.get("api/overview").data["plan_number"]
    region.travel(region.now + timedelta(minutes=6))
    refused = writer.post("api/apply", plan_number=number)
    assert (refused.status, refused.data["error"]) == (
        409,
        "the plan is more than five minutes old",
    )


def test_what_was_not_done_is_named_with_its_reason(region: Region, writer: Client) -> None:
    number = writer.get("api/overview").data["plan_number"]
    region.faults.append(Fault("UpdateTable", "AccessDeniedException", times=9))
    left = writer.post("api/apply", plan_number=number).data["left"]
    assert "AccessDeniedException" in left[0]
    assert left[-1].endswith("actions were not done.")


def test_without_a_stage_the_chart_has_no_decisions_and_the_level_of_now(
    region: Region, reader: Client
) -> None:
    data = reader.get("api/target", **TARGET, hours=1).data
    assert (data["has_logs"], data["events"]) == (False, [])
    level, capacity = data["chart"]["series"]
    assert (data["chart"]["span"], level["at"], level["units"]) == (60, [0], [80.0])
    assert capacity["throttled"][0][1] == 5.0
    assert data["chart"]["demand"][-1] == 100


@pytest.mark.slow(traced=True)
def test_with_a_stage_it_reads_the_decisions_from_the_logs(region: Region) -> None:
    with untraced():
        region.run(5)
    with served(site(region, writes=False, stage="local")) as client:
        data = client.get("api/target", **TARGET, hours=1).data
    newest = data["events"][0]
    assert (data["has_logs"], newest["current"], newest["reason"]) == (True, 100, "UtilizationHigh")
    assert newest["why"] == "consumption is at or above the alarm's level"
    assert data["chart"]["series"][0]["units"][-1] > 80


def test_a_glob_that_matches_nothing_is_answered_with_the_nearest_name(region: Region) -> None:
    with served(site(region, writes=False, glob="oders")) as client:
        data = client.get("api/overview").data
    assert data["status"]["decisions"] == []
    assert data["note"] == "no table matches oders; did you mean orders?"


def test_an_error_of_aws_is_shown_in_words(region: Region, reader: Client) -> None:
    region.faults.append(Fault("GetMetricData", "AccessDeniedException", times=9))
    answer = reader.get("api/target", **TARGET)
    assert answer.status == 502
    assert "AccessDeniedException" in json.loads(answer.text)["error"]
