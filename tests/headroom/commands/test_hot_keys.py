"""`headroom hot-keys`: Contributor Insights is switched on for a while, read, and switched off."""

import json
import time

import pytest
from botocore.parsers import ResponseParserError

from headroom.deploy.account import NOT_AWS
from headroom.region.context import Fault, ServiceError
from headroom.region.region import Region
from tests.support.builders import INDEX_WRITES, READS
from tests.support.command_line import RunCommand
from tests.support.scenes import pass_minutes, requests

KEY = "120 throttled partition key: the-hot-key The 10 most throttled keys of orders"


@pytest.fixture
def region_sleeps(region: Region, monkeypatch: pytest.MonkeyPatch) -> Region:
    """Let what the command waits for pass in the region, with a hot key on reads and an index."""

    def sleep(seconds: float) -> None:
        pass_minutes(region, int(seconds) // 60, hot={READS: 1.0, INDEX_WRITES: 2.0})

    monkeypatch.setattr(time, "sleep", sleep)
    return region


def actions(region: Region) -> list[tuple[str, str | None]]:
    """Return what Contributor Insights was switched to, with its mode."""
    return [
        (call["ContributorInsightsAction"], call.get("ContributorInsightsMode"))
        for call in requests(region, "UpdateContributorInsights")
    ]


def test_if_it_is_off_nothing_is_switched_on_unasked(region: Region, run: RunCommand) -> None:
    result = run("hot-keys", "orders")
    assert result.exit_code == 1
    assert result.output.startswith("Contributor Insights is off for orders. --enable switches it")
    assert "0.50 USD a rule and month" in result.output
    assert actions(region) == []


def test_it_is_on_for_a_while_and_then_off_again(region_sleeps: Region, run: RunCommand) -> None:
    result = run("hot-keys", "orders", "--enable", "--for", "2m")
    assert (result.exit_code, result.output.startswith(KEY)) == (0, True), result.output
    assert "0.50 USD a rule and month" in result.errors
    assert result.errors.endswith("Contributor Insights is off again for orders.")
    assert actions(region_sleeps) == [("ENABLE", "THROTTLED_KEYS"), ("DISABLE", None)]


def test_an_index_has_its_own_keys(region_sleeps: Region, run: RunCommand) -> None:
    result = run("hot-keys", "orders", "--index", "by-date", "--enable", "--for", "1m")
    assert result.output.startswith("120 throttled partition key: the-hot-key")
    assert "orders/by-date" in result.output
    assert "--table-name orders --index-name by-date" in result.errors


def test_what_was_on_before_stays_on(region: Region, run: RunCommand) -> None:
    client = region.client("dynamodb")
    client.update_contributor_insights(TableName="orders", ContributorInsightsAction="ENABLE")
    assert "No key of orders was throttled" in run("hot-keys", "orders", "--enable").output
    pass_minutes(region, 2, hot={READS: 1.0})
    assert run("hot-keys", "orders").output.startswith(KEY)
    assert actions(region) == [("ENABLE", None)]


def test_ctrl_c_shows_what_was_counted_and_switches_it_off(
    region: Region, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(_: float) -> None:
        pass_minutes(region, 2, hot={READS: 1.0})
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    assert run("hot-keys", "orders", "--enable").output.startswith(KEY)
    assert actions(region)[-1] == ("DISABLE", None)


def test_a_report_that_fails_switches_it_off_too(region_sleeps: Region, run: RunCommand) -> None:
    region_sleeps.faults.append(Fault("GetInsightRuleReport", "InternalServiceFault", 9))
    result = run("hot-keys", "orders", "--enable", "--for", "1m")
    assert (result.exit_code, actions(region_sleeps)[-1]) == (2, ("DISABLE", None))


def test_the_keys_are_json_too(region: Region, run: RunCommand) -> None:
    off = run("hot-keys", "orders", "--json")
    assert (off.exit_code, off.stdout) == (1, "")
    client = region.client("dynamodb")
    client.update_contributor_insights(TableName="orders", ContributorInsightsAction="ENABLE")
    pass_minutes(region, 2, hot={READS: 1.0})
    found = json.loads(run("hot-keys", "orders", "--json").stdout)
    assert (found["table"], found["index"]) == ("orders", "")
    assert found["keys"] == [
        {"kind": "partition key", "values": ["the-hot-key"], "requests": pytest.approx(120, abs=1)}
    ]


def test_a_server_that_answers_with_a_page_is_named_in_one_sentence(
    region: Region, run: RunCommand
) -> None:
    """moto's server lacks the operation, and answers with status 500 and HTML."""

    def answer(_: object) -> dict[str, object]:
        raise ServiceError("500", "<!doctype html>\n<title>Internal Server Error</title>", 500)

    region.answers["dynamodb", "DescribeContributorInsights"] = answer
    result = run("hot-keys", "orders")
    assert (result.exit_code, result.errors) == (
        2,
        f"headroom: DescribeContributorInsights (status 500): {NOT_AWS}.",
    )


def test_a_page_instead_of_xml_is_named_too(region: Region, run: RunCommand) -> None:
    def answer(_: object) -> dict[str, object]:
        raise ResponseParserError("invalid XML received")

    region.answers["dynamodb", "DescribeContributorInsights"] = answer
    assert run("hot-keys", "orders").errors == f"headroom: {NOT_AWS}."


def test_a_table_that_does_not_exist_is_named(region: Region, run: RunCommand) -> None:
    result = run("hot-keys", "order")
    assert result.exit_code == 2
    assert "order does not exist in this account and Region" in result.errors
    assert actions(region) == []
