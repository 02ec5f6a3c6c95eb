"""The demo: the real app in the embedded region on a short trace, what it came to, and what it
shows."""

import io
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from chalicelib.core import table_alarms
from chalicelib.model import Dimension
from headroom.demo import day, shop, terminal
from headroom.demo.day import DemoResult, Timeline
from headroom.demo.story import Story
from headroom.region.context import Invocation
from headroom.region.region import Region
from headroom.simulation import pricing, receipt
from tests.support.builders import READS, policy
from tests.support.scenes import MIDDAY, rules

TRACE = [50.0] * 60 + [900.0] * 12 + [50.0] * 63
PEAK, MINUTES = 900.0, len(TRACE)


class Watched:
    """A demo of a burst, with all that was seen on the way: the story, and every line."""

    def __init__(self) -> None:
        self.shown, self.lines = io.StringIO(), io.StringIO()
        stories = [
            Story(Console(file=self.shown, width=80)),
            Story(Console(file=self.lines, width=80), every_line=True),
        ]

        def watch(region: Region, invocation: Invocation) -> None:
            for story in stories:
                story.watch(region, invocation)

        def on_minute(region: Region) -> None:
            for story in stories:
                story.on_minute(region)

        self.result = day.play(TRACE, rules("orders", strategy="adaptive"), watch, on_minute)
        for story in stories:
            story.close()


@pytest.fixture(scope="module")
def watched() -> Watched:
    return Watched()


@pytest.mark.slow(traced=True)
def test_a_burst_ends_well(watched: Watched) -> None:
    result = watched.result
    assert result.ended_well
    assert (result.refused, result.dead_letters, result.stuck) == (0, 0, [])
    assert result.decreases >= 1
    assert result.calls > MINUTES  # follow_up alone asks once a minute


def test_every_target_sees_its_share_and_is_recorded_by_the_minute(watched: Watched) -> None:
    timelines = {
        (timeline.target.index, timeline.target.dimension): timeline
        for timeline in watched.result.timelines
    }
    assert {key: max(timeline.demand) for key, timeline in timelines.items()} == {
        ("", Dimension.READ): PEAK,
        ("", Dimension.WRITE): PEAK * 0.25,
        ("by-date", Dimension.READ): PEAK * 0.4,
        ("by-date", Dimension.WRITE): PEAK * 0.25,
    }
    for timeline in timelines.values():
        assert {
            len(timeline.demand),
            len(timeline.units),
            len(timeline.throttled),
            len(timeline.alarm_level),
        } == {MINUTES}
        assert timeline.units[0] == math.ceil(timeline.demand[0] * day.START_ROOM)


def test_the_burst_raised_the_table_and_it_came_down_again(watched: Watched) -> None:
    reads = watched.result.timelines[0]
    assert max(reads.units) >= PEAK
    assert min(reads.units[90:]) < 300
    assert 0 < reads.throttled_requests < sum(reads.demand) * 60


def test_the_alarms_level_follows_the_units(watched: Watched) -> None:
    reads = watched.result.timelines[0]
    assert reads.alarm_level[-1] == pytest.approx(reads.units[-1] * 0.95)


def test_the_onset_is_a_marked_block_from_the_message_to_the_effect(watched: Watched) -> None:
    text = watched.shown.getvalue()
    block = text[text.index("01:02") : text.index("In effect")]
    assert [word for word in ("message", "decision", "call", "alarm") if word in block] == [
        "message", "decision", "call", "alarm",
    ]  # fmt: skip
    assert "is in ALARM, at" in block
    assert "one UpdateTable" in block
    assert re.search(r"orders:read: threshold \d+ → [\d,]+", block)
    assert re.search(r"In effect\. [\d,]+ requests were throttled before it\.", text)


def test_decreases_show_what_is_left_and_small_changes_are_summed_up(watched: Watched) -> None:
    text = watched.shown.getvalue()
    assert re.search(
        r"sweep +▼ orders [\d,]+ → [\d,]+ reads, [\d,]+ → [\d,]+ writes, \d+ left", text
    )
    assert max(map(len, text.splitlines())) <= 80


def test_every_change_is_a_line_where_all_are_wanted(watched: Watched) -> None:
    lines = watched.lines.getvalue().splitlines()
    assert sum("▼" in line for line in lines) >= watched.result.decreases
    raised = [line for line in lines if "orders:read" in line and "▲" in line]
    # the first minute of the burst can be read a minute after it closed
    assert raised[0].startswith("01:02")
    assert max(map(len, lines)) <= 80


def _decided(current: int, desired: int, **line: object) -> dict[str, object]:
    return {
        "kind": "decision",
        "table": "orders",
        "index": "",
        "dimension": "read",
        "current": current,
        "desired": desired,
        "reason": "UtilizationHigh",
        "dry_run": False,
        "numbers": {"decreases_left": 5},
        **line,
    }


def test_a_story_of_two_days_without_alarms(alarmed: Region) -> None:
    """Small changes end with their day. What a dry run would do is marked."""
    out = io.StringIO()
    story = Story(Console(file=out, width=80))
    for at, line in (
        (MIDDAY, _decided(100, 105)),
        (MIDDAY + timedelta(minutes=5), _decided(105, 101)),
        (MIDDAY + timedelta(minutes=10), _decided(101, 50)),
        (MIDDAY + timedelta(days=1), _decided(101, 103)),
        (MIDDAY + timedelta(days=1, minutes=5), _decided(103, 400, dry_run=True)),
        (MIDDAY + timedelta(days=1, minutes=6), {"kind": "failure", "message": "it failed"}),
    ):
        alarmed.travel(at)
        story.watch(alarmed, Invocation("sweep", at, {}, [line]))
    alarmed.travel(MIDDAY + timedelta(days=1, minutes=7))
    story.watch(alarmed, Invocation("sweep", alarmed.now, {}, [], error=ValueError("broken")))
    assert out.getvalue().splitlines() == [
        "Monday",
        "12:00  2 small changes until 12:05",
        "       ▲ orders 100 → 101 reads",
        "12:10  sweep      ▼ orders 101 → 50 reads, 4 left",
        "Tuesday",
        "12:00  a small change",
        "       ▲ orders 101 → 103 reads",
        "12:05  ┃ message   none: sweep looks again, by its schedule",
        "       ┃ decision  orders:read 103 → 400: consumption is at or above the alarm's",
        "       ┃           level (UtilizationHigh). It is a dry run: nothing is changed.",
        "12:06  it failed",
        "12:07  sweep failed: ValueError('broken')",
    ]


RESULT = DemoResult([], decreases=3, refused=0, dead_letters=0, stuck=[], calls=1_234)


@pytest.mark.parametrize(
    ("result", "well", "sentence"),
    [
        pytest.param(RESULT, True, "No alarm is stuck.", id="well"),
        pytest.param(
            replace(RESULT, refused=1),
            False,
            "3 decreases used, 1 refused by DynamoDB, 0 events lost",
            id="refused",
        ),
        pytest.param(
            replace(RESULT, dead_letters=2),
            False,
            "0 refused by DynamoDB, 2 events lost. 1,234 API calls.",
            id="lost",
        ),
        pytest.param(
            replace(RESULT, stuck=["a", "b"]),
            False,
            "1,234 API calls. Alarms stuck: a, b.",
            id="stuck",
        ),
    ],
)
def test_a_demo_ends_well_only_where_nothing_is_refused_lost_or_stuck(
    result: DemoResult, well: bool, sentence: str
) -> None:
    assert result.ended_well is well
    assert sentence in " ".join(terminal.closing_lines(result))


# stuck alarms

NAME = table_alarms.name_of(READS)


@pytest.fixture
def alarmed() -> Iterator[Region]:
    """A region without the app, in which an alarm on 100 units is in ALARM."""
    with Region() as region:
        region.create_table("orders", 100, 100)
        region.client("cloudwatch").put_metric_alarm(
            **table_alarms.new_fields(READS, 100, policy(), "arn:aws:sns:x:1:nobody")
        )
        region.serve(READS, [90.0] * 3)
        region.run(3)
        yield region


def put(region: Region, units: int) -> None:
    region.client("cloudwatch").put_metric_alarm(
        **table_alarms.new_fields(READS, units, policy(), "arn:aws:sns:x:1:nobody")
    )


def test_an_alarm_whose_load_is_high_is_not_stuck(alarmed: Region) -> None:
    assert alarmed.cloudwatch.alarms[NAME].state.value == "ALARM"
    assert day.stuck_alarms(alarmed) == []


def test_an_alarm_that_stays_although_its_load_is_low_is_stuck(alarmed: Region) -> None:
    alarmed.cloudwatch.alarms[NAME].fields["Threshold"] = 6_000.0
    assert day.stuck_alarms(alarmed) == [NAME]


def test_an_alarm_that_has_no_news_any_more_is_stuck(alarmed: Region) -> None:
    put(alarmed, 200)
    assert day.stuck_alarms(alarmed) == [NAME]


def test_an_alarm_that_came_back_is_not_stuck(alarmed: Region) -> None:
    put(alarmed, 200)
    alarmed.run(2)
    assert alarmed.cloudwatch.alarms[NAME].state.value == "OK"
    assert day.stuck_alarms(alarmed) == []


# its traffic


def test_the_traffic_is_a_shops_day_with_a_sale() -> None:
    day_of_shop = shop.traffic()
    assert day_of_shop == shop.traffic() != shop.traffic(seed=8)
    assert len(shop.traffic(2)) == 2 * len(day_of_shop) == 2 * 1440
    night, sale, evening = (max(day_of_shop[m : m + 20]) for m in (180, 870, 1420))
    before = max(day_of_shop[840:870])
    assert night < 150 > evening
    assert min(day_of_shop[870:890]) > 2 * before > 4 * night
    assert sale == max(day_of_shop)
    lull = shop.traffic(lull=0.5)
    assert [minute for minute in range(1440) if lull[minute] != day_of_shop[minute]] == list(
        range(850, 870)
    )


# what is shown

TIMELINE = Timeline(
    READS, demand=[100.0, 250.5], units=[200, 301], alarm_level=[None, 240.0], throttled=[0.0, 3.0]
)


def test_the_comparison_has_the_same_minutes_in_dollars_and_throttled_requests() -> None:
    """An hour of 100 units where 50 are held: a throttled hour for Headroom alone."""
    minutes = [100.0] * 60
    timeline = Timeline(READS, minutes, [200] * 60, [None] * 60, [0.0] * 59 + [10.0])
    lines = receipt.lines([timeline.held], pricing.load())
    table = terminal.comparison(lines, 60)
    columns = [list(column.cells) for column in table.columns]
    assert columns[0][:3] == ["Headroom", "Application Auto Scaling, 70 %", "on demand"]
    assert columns[1][0] == f"{200 * 730 * pricing.load().read.unit_hour:,.0f}"
    assert (columns[2][0], columns[3][0]) == ("1", "600")


def test_the_picture_shows_each_columns_highest_minute() -> None:
    assert terminal._columns([1.0, 5.0, 2.0, 3.0, 4.0], 2) == [5.0, 3.0, 4.0]
    drawn = terminal.picture(TIMELINE, width=100, height=14)
    for word in ("orders:read (ConsumedReadCapacityUnits)", "demand", "alarm level", "capacity"):
        assert word in drawn
