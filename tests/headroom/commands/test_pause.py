"""`headroom pause`, `resume` and `pauses`: an operator's words, the tag that they become, and what
Headroom does then."""

import json
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from chalicelib.aws.client import Aws
from chalicelib.aws.tables import describe_tables, table_names
from chalicelib.core import pause_tag
from chalicelib.core.pause_tag import KEY, PauseTag
from chalicelib.model import TableState
from headroom import cli, pause_tags
from headroom.pause_tags import PauseError
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import NOON
from tests.support.command_line import one_line
from tests.support.scenes import invoke, pass_minutes, reasons, units

BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


# until when


@pytest.mark.parametrize(
    ("text", "now", "zone", "expected"),
    [
        pytest.param("18:00", "2026-11-20T12:00Z", UTC_ZONE, "2026-11-20T18:00Z", id="later today"),
        pytest.param("06:00", "2026-11-20T12:00Z", UTC_ZONE, "2026-11-21T06:00Z", id="tomorrow"),
        pytest.param("6:00", "2026-11-20T12:00Z", UTC_ZONE, "2026-11-21T06:00Z", id="one digit"),
        pytest.param(
            "12:00",
            "2026-11-20T12:00Z",
            UTC_ZONE,
            "2026-11-21T12:00Z",
            id="this very minute is the next day's",
        ),
        pytest.param("06:00", "2026-11-20T12:00Z", BERLIN, "2026-11-21T05:00Z", id="in a zone"),
        pytest.param(
            "00:30",
            "2026-11-20T23:15Z",
            BERLIN,
            "2026-11-20T23:30Z",
            id="already tomorrow in the zone",
        ),
        pytest.param(
            "06:00", "2026-10-24T20:00Z", BERLIN, "2026-10-25T05:00Z", id="the night has 25 hours"
        ),
        pytest.param(
            "06:00", "2027-03-27T20:00Z", BERLIN, "2027-03-28T04:00Z", id="the night has 23 hours"
        ),
        pytest.param(
            "02:30",
            "2026-10-25T00:00Z",
            BERLIN,
            "2026-10-25T00:30Z",
            id="a time that comes twice: the first",
        ),
        pytest.param(
            "02:30", "2026-10-25T00:45Z", BERLIN, "2026-10-25T01:30Z", id="… or the second"
        ),
        pytest.param(
            "02:30",
            "2027-03-28T00:00Z",
            BERLIN,
            "2027-03-29T00:30Z",
            id="a time that is left out: the next day's",
        ),
        pytest.param(
            "2026-11-22T06:00",
            "2026-11-20T12:00Z",
            BERLIN,
            "2026-11-22T05:00Z",
            id="a date, in the zone",
        ),
        pytest.param(
            "2026-11-22 06:00", "2026-11-20T12:00Z", BERLIN, "2026-11-22T05:00Z", id="with a blank"
        ),
        pytest.param(
            "2026-11-22T06:00Z",
            "2026-11-20T12:00Z",
            BERLIN,
            "2026-11-22T06:00Z",
            id="a date that brings its zone",
        ),
        pytest.param(
            "2026-11-22",
            "2026-11-20T12:00Z",
            BERLIN,
            "2026-11-21T23:00Z",
            id="a date: its first moment",
        ),
    ],
)
def test_a_pause_until(text: str, now: str, zone: ZoneInfo, expected: str) -> None:
    found = pause_tags.until(text, at(now), zone)
    assert (found, found.tzinfo) == (at(expected), UTC)


@pytest.mark.slow
@given(st.times(), st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_the_next_time_is_within_a_day_or_two_and_shows_the_clock_time_of_the_operator(
    clock: object, now: datetime
) -> None:
    text = f"{clock:%H:%M}"
    found = pause_tags.until(text, now, BERLIN)
    assert now < found <= now + timedelta(hours=49)
    assert f"{found.astimezone(BERLIN):%H:%M}" == text


def test_without_a_zone_the_clock_of_this_machine_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        monkeypatch.setenv("TZ", "America/New_York")
        time.tzset()
        assert pause_tags.until("06:00", NOON, None) == at("2026-11-21T11:00Z")
        assert pause_tags.until("2026-11-22T06:00", NOON, None) == at("2026-11-22T11:00Z")
        assert pause_tags.shown(at("2026-11-21T11:00Z")) == "2026-11-21 06:00 EST (11:00 UTC)"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("text", "lasts"),
    [
        ("90m", timedelta(minutes=90)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("1d12h", timedelta(hours=36)),
        ("1h30m", timedelta(minutes=90)),
    ],
)
def test_a_pause_for(text: str, lasts: timedelta) -> None:
    assert pause_tags.after(text, NOON) == NOON + lasts


@pytest.mark.parametrize(
    "text", ["", "2", "0h", "h", "2 h", "2s", "1.5h", "-1h", "2h1d", "99999d", "forever"]
)
def test_a_length_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(PauseError, match="expected a time such as 90m, 2h, 1d or 1d12h"):
        pause_tags.after(text, NOON)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("24:00", "expected a time such as 06:00"),
        ("6", "expected a time such as 06:00"),
        ("tomorrow", "expected a time such as 06:00"),
        ("0001-01-01T00:00+10:00", "expected a time such as 06:00"),
        ("2026-11-20", "this is over; it is 2026-11-20 12:00 UTC now"),
        ("2026-11-20T12:00Z", "this is over; it is 2026-11-20 12:00 UTC now"),
    ],
)
def test_an_end_that_cannot_be_meant_is_refused(text: str, problem: str) -> None:
    with pytest.raises(PauseError, match=problem):
        pause_tags.until(text, NOON, UTC_ZONE)


# the tag


@given(st.text(max_size=300))
def test_what_can_be_written_as_a_tag_is_read_as_it_was_meant(why: str) -> None:
    paused = PauseTag(NOON, "decreases", " ".join(why.split()))
    try:
        value = pause_tags.tag(paused)
    except PauseError:
        return
    assert len(value) <= 256
    assert pause_tag.parse(value) == paused


@pytest.mark.parametrize(
    ("why", "problem"),
    [
        ("ticket #42", "--reason: a tag cannot hold '#'; use letters, numbers, spaces and"),
        ("a, b", "--reason: a tag cannot hold ','; use letters, numbers, spaces and"),
        ("x" * 230, "--reason: 6 characters too long for a tag"),
    ],
)
def test_a_reason_that_a_tag_cannot_hold_is_refused(why: str, problem: str) -> None:
    with pytest.raises(PauseError, match=problem):
        pause_tags.tag(PauseTag(NOON, "everything", why))


def test_a_reason_in_any_language_is_a_reason() -> None:
    assert pause_tags.tag(PauseTag(NOON, "everything", "Umzug auf v2: früh_um_6")).endswith(
        " everything Umzug auf v2: früh_um_6"
    )


# the commands


@pytest.fixture
def region(region: Region) -> Region:
    """`orders`, `orders-2` and `users`, at midday UTC."""
    region.create_table("orders-2")
    region.create_table("users")
    region.calls.clear()
    return region


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.app, list(words))


def tags(region: Region) -> dict[str, str]:
    """Return the pauses by table, as DynamoDB itself tells them."""
    dynamodb, found = region.client("dynamodb"), {}
    for name in dynamodb.list_tables()["TableNames"]:
        arn = dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
        named = {
            tag["Key"]: tag["Value"]
            for tag in dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]
        }
        found |= {name: named[KEY]} if KEY in named else {}
    return found


@pytest.mark.slow(traced=True)
def test_a_table_is_paused_and_headroom_leaves_it_alone_until_it_is_over(region: Region) -> None:
    result = run("pause", "orders", "--for", "2h", "--time-zone", "UTC")
    assert (result.exit_code, result.output) == (
        0,
        "orders: paused until 2026-11-02 14:00 UTC: nothing is raised or lowered\n",
    )
    assert tags(region) == {"orders": "2026-11-02T14:00:00Z everything"}
    pass_minutes(region, 119)
    assert set(reasons(invoke(region, "scale_down")).values()) >= {"Paused"}
    assert units(region)["orders:read"] == 100
    pass_minutes(region, 1)
    invoke(region, "scale_down")
    assert units(region)["orders:read"] == 1


@pytest.mark.slow(traced=True)
def test_pausing_and_resuming_for_scripts(region: Region) -> None:
    region.faults.append(Fault("TagResource", "AccessDeniedException", after=1))
    result = run("pause", "orders*", "--for", "2h", "--only-decreases", "--json")
    first, second = json.loads(result.output)
    assert result.exit_code == 1
    assert first == {
        "table": "orders",
        "paused_until": "2026-11-02T14:00:00+00:00",
        "scope": "decreases",
    }
    assert (second["table"], "AccessDeniedException" in second["error"]) == ("orders-2", True)
    result = run("resume", "orders", "--json")
    assert (result.exit_code, json.loads(result.output)) == (
        0,
        [{"table": "orders", "paused_until": None}],
    )
    assert tags(region) == {}


def test_only_decreases_may_be_paused_with_a_reason_in_the_zone_of_the_operator(
    region: Region,
) -> None:
    result = run(
        "pause",
        "orders",
        "--until",
        "06:00",
        "--only-decreases",
        "--reason",
        "load  test ",
        "--time-zone",
        "Europe/Berlin",
    )
    assert (
        result.output
        == "orders: paused until 2026-11-03 06:00 CET (05:00 UTC): nothing is lowered\n"
    )
    assert tags(region) == {"orders": "2026-11-03T05:00:00Z decreases load test"}


@pytest.mark.slow(traced=True)
def test_globs_and_several_names_are_the_tables_that_exist_and_match(region: Region) -> None:
    assert run("pause", "orders*", "users", "--for", "1d").exit_code == 0
    assert sorted(tags(region)) == ["orders", "orders-2", "users"]
    assert run("resume", "orders-?", "users").exit_code == 0
    assert sorted(tags(region)) == ["orders"]


@pytest.mark.slow
def test_pausing_again_takes_the_new_end_and_resuming_twice_does_no_harm(region: Region) -> None:
    run("pause", "orders", "--for", "1h")
    run("pause", "orders", "--for", "3h")
    assert tags(region) == {"orders": "2026-11-02T15:00:00Z everything"}
    for _ in range(2):
        result = run("resume", "orders")
        assert (result.exit_code, result.output) == (0, "orders: not paused any more\n")
    assert tags(region) == {}


@pytest.mark.slow(traced=True)
def test_other_tags_stay_as_they_are(region: Region) -> None:
    dynamodb = region.client("dynamodb")
    arn = dynamodb.describe_table(TableName="orders")["Table"]["TableArn"]
    dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": "team", "Value": "shop"}])
    run("pause", "orders", "--for", "1h")
    run("resume", "orders")
    assert dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"] == [
        {"Key": "team", "Value": "shop"}
    ]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["orders"], "give either --until 06:00 or --for 2h"),
        (
            ["orders", "--until", "06:00", "--for", "2h"],
            "give either --until 06:00 or --for 2h",
        ),
        (["orders", "--for", "2"], "--for 2: expected a time such as 90m, 2h, 1d or 1d12h"),
        (["orders", "--until", "25:00"], "--until 25:00: expected a time such as 06:00"),
        (
            ["orders", "--for", "2h", "--time-zone", "Europe/Berlim"],
            "there is no time zone 'Europe/Berlim'",
        ),
        (["orders", "--for", "2h", "--reason", "#1"], "--reason: a tag cannot hold '#'"),
        (
            ["order", "--for", "2h"],
            "no table of this account and Region is called order, or matches it",
        ),
        (
            ["orders", "nothing-*", "--for", "2h"],
            "no table of this account and Region is called nothing-*, or matches it",
        ),
    ],
)
def test_a_wrong_request_is_reported_and_nothing_is_paused(
    region: Region, words: list[str], problem: str
) -> None:
    result = run("pause", *words)
    flat = " ".join(result.output.replace("│", " ").split())
    assert (result.exit_code, tags(region)) == (2, {})
    assert problem in flat


def test_a_table_that_cannot_be_paused_is_reported_and_the_others_are_paused(
    region: Region,
) -> None:
    matches = lambda params: params["ResourceArn"].endswith("/orders-2")  # noqa: E731
    region.faults.append(Fault("TagResource", "AccessDeniedException", matches=matches))
    result = run("pause", "*", "--for", "2h")
    assert result.exit_code == 1
    assert (
        "orders-2: An error occurred (AccessDeniedException) when calling the TagResource operation"
        in one_line(result.output)
    )
    assert sorted(tags(region)) == ["orders", "users"]


def test_a_table_that_cannot_be_described_ends_it_before_anything_is_paused(region: Region) -> None:
    region.faults.append(Fault("DescribeTable", "AccessDeniedException"))
    result = run("pause", "orders*", "--for", "2h")
    assert result.exit_code == 1
    assert "AccessDeniedException" in one_line(result.output)
    assert tags(region) == {}


def test_many_tables_are_tagged_no_faster_than_dynamodb_allows() -> None:
    waited: list[float] = []
    with Region() as region:
        for number in range(12):
            region.create_table(f"orders-{number:02}")
        aws = Aws("headroom-alarms", sleep=waited.append)
        states = [
            state
            for state in describe_tables(aws, table_names(aws)).values()
            if isinstance(state, TableState)
        ]
        assert [error for _, error in pause_tags.pause(aws, states, str(PauseTag(NOON)))] == [
            None
        ] * 12
        assert waited == [1, 1]
        assert len(tags(region)) == 12


@pytest.mark.slow(traced=True)
def test_pauses_are_listed_with_their_ends_reasons_and_faults(region: Region) -> None:
    assert run("pauses").output == "No table is paused.\n"
    run("pause", "users", "--for", "1h", "--only-decreases", "--reason", "load test")
    run("pause", "orders-2", "--for", "5m")
    arn = region.client("dynamodb").describe_table(TableName="orders")["Table"]["TableArn"]
    region.client("dynamodb").tag_resource(ResourceArn=arn, Tags=[{"Key": KEY, "Value": "soon"}])
    pass_minutes(region, 10)
    result = run("pauses", "--time-zone", "UTC")
    assert result.exit_code == 0
    first, *rest = result.output.splitlines()
    assert first.startswith(
        "orders: nothing is lowered: its tag headroom-pause cannot be read: 'soon' is no time"
    )
    assert first.endswith("or remove it by `headroom resume orders`")
    assert rest == [
        "orders-2: not paused since 2026-11-02 12:05 UTC",
        "users: paused until 2026-11-02 13:00 UTC: nothing is lowered (load test)",
    ]
    found = {pause["table"]: pause["holds"] for pause in json.loads(run("pauses", "--json").output)}
    assert found == {"orders": ["down"], "orders-2": [], "users": ["down"]}
