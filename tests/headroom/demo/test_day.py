"""The demo: the real app in the embedded region on a short trace, what it came to, and what it
shows."""

import io
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from chalicelib.core import table_alarms
from chalicelib.model import Dimension
from headroom.demo import day, terminal
from headroom.demo.day import DemoResult, Timeline
from headroom.region.context import Invocation
from headroom.region.region import Region
from tests.support.builders import READS, policy
from tests.support.scenes import rules

TRACE = [50.0] * 60 + [900.0] * 12 + [50.0] * 63
PEAK, MINUTES = 900.0, len(TRACE)


class Watched:
    """A demo of a burst, with all that was seen on the way."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self.ticks = 0
        console = Console(file=self.out, width=160)

        def watch(region: Region, invocation: Invocation) -> None:
            terminal.print_changes(console, region, invocation)

        def tick(_: Region) -> None:
            self.ticks += 1

        self.result = day.play(TRACE, rules("orders", strategy="adaptive"), watch, tick)


@pytest.fixture(scope="module")
def watched() -> Watched:
    return Watched()


@pytest.mark.slow
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
    assert 0 < reads.throttled_ppm < 1e6
    assert reads.unit_hours < reads.fixed_unit_hours == 900 * MINUTES / 60


def test_the_alarms_level_follows_the_units(watched: Watched) -> None:
    reads = watched.result.timelines[0]
    assert reads.alarm_level[-1] == pytest.approx(reads.units[-1] * 0.95)


def test_every_minute_ticks_and_every_change_is_a_line(watched: Watched) -> None:
    lines = watched.out.getvalue().splitlines()
    assert watched.ticks == MINUTES
    assert sum("▼" in line for line in lines) >= watched.result.decreases
    raised = [line for line in lines if "orders:read" in line and "▲" in line]
    assert raised
    assert all("threshold" in line and "decreases left" in line for line in raised)
    assert raised[0].startswith(
        "Mon 01:02"
    )  # the first minute of the burst can be read a minute after it closed


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
            "0 refused by DynamoDB, 2 events lost, 1,234 API calls.",
            id="lost",
        ),
        pytest.param(replace(RESULT, stuck=["a", "b"]), False, "Alarms stuck: a, b", id="stuck"),
    ],
)
def test_a_demo_ends_well_only_where_nothing_is_refused_lost_or_stuck(
    result: DemoResult, well: bool, sentence: str
) -> None:
    assert result.ended_well is well
    assert sentence in "\n".join(terminal.closing_lines(result))


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


# what is shown

TIMELINE = Timeline(
    READS, demand=[100.0, 250.5], units=[200, 301], alarm_level=[None, 240.0], throttled=[0.0, 3.0]
)


def test_a_timeline_by_hand() -> None:
    assert TIMELINE.unit_hours == 501 / 60
    assert TIMELINE.fixed_unit_hours == 251 * 2 / 60
    assert TIMELINE.throttled_requests == 180.0
    assert TIMELINE.throttled_ppm == pytest.approx(3 / 350.5 * 1e6)
    assert Timeline(READS, [0.0], [1], [None], [0.0]).throttled_ppm == 0.0


def test_the_summary_has_a_row_for_each_target() -> None:
    table = terminal.summary(replace(RESULT, timelines=[TIMELINE]))
    cells = [next(iter(column.cells)) for column in table.columns]
    assert cells == ["orders:read", "250", "8", "8", "0 %", "180", "8,559", "301"]


def test_the_picture_shows_each_columns_highest_minute() -> None:
    assert terminal._columns([1.0, 5.0, 2.0, 3.0, 4.0], 2) == [5.0, 3.0, 4.0]
    drawn = terminal.picture(TIMELINE, width=100, height=14)
    for word in ("orders:read (ConsumedReadCapacityUnits)", "demand", "alarm level", "capacity"):
        assert word in drawn
