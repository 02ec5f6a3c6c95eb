"""A few histories of faults, and a few random configurations; `make soak` plays many.

What the laws find is shown on a region in which they are broken on purpose.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings

from chalicelib.model import Dimension, Target
from headroom.region.context import Call
from headroom.region.events import scheduled_event
from headroom.region.region import Region
from headroom.simulation.dynamodb_rules import Conditions
from tests.soak.configurations import Case, cases
from tests.soak.history import QUIET_MINUTES, UNMANAGED, History, Load, Table, histories
from tests.soak.laws import BrokenLawError, Laws
from tests.soak.play import Player, play

pytestmark = pytest.mark.untraced
SWITCH = {"TableName": "alpha", "BillingMode": "PAY_PER_REQUEST"}
READS_OF_ALPHA = Target("alpha", "", Dimension.READ)
LOADS = (Load("steady", 30, 0), Load("steady", 30, 0))
CALM = History(
    seed=1,
    hour=12,
    hours=0,
    strategy="percent",
    past="",
    workers=0,
    conditions=Conditions(),
    tables=(Table("alpha", LOADS),),
    events=(),
)


@pytest.mark.slow
@settings(max_examples=4)
@given(histories(max_hours=1))
def test_the_laws_hold_whatever_fails(history: History) -> None:
    assert play(history).checks > 100


@pytest.mark.slow
@settings(max_examples=4)
@given(cases(max_minutes=120))
def test_replay_and_app_agree_on_random_configurations(case: Case) -> None:
    case.compare()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "slow", "loads"),
    [
        # each function has seen throttled requests at other times, as containers of their own do
        pytest.param(0, 1, (Load("steady", 1, 0), Load("steady", 77, 0)), id="one table"),
        # the alarm of one target lets on_alarm read those of all
        pytest.param(
            115,
            3,
            (
                Load("steady", 160, 148),
                Load("idle", 6, 151),
                Load("wave", 157, 95),
                Load("burst", 99, 0),
            ),
            id="with an index, late",
        ),
    ],
)
def test_replay_and_app_agree_where_the_bucket_is_missing(
    seed: int, slow: int, loads: tuple[Load, ...]
) -> None:
    case = Case(
        seed=seed,
        hour=12,
        minutes=157,
        settings={"strategy": '"adaptive"'},
        conditions=Conditions(burst_seconds=0, metric_delay_minutes=slow, update_minutes=slow),
        loads=loads,
        hot=0,
    )
    case.compare()


# the laws find what breaks them


@pytest.fixture(scope="module")
def calm() -> Iterator[Player]:
    """A calm hour of one table, after which everything is right."""
    with Region(CALM.start, CALM.conditions) as region:
        player = Player(CALM, region)
        player.run()
        yield player


def set_units(region: Region, table: str, read: int, write: int) -> None:
    units = {"ReadCapacityUnits": read, "WriteCapacityUnits": write}
    region.client("dynamodb").update_table(TableName=table, ProvisionedThroughput=units)


def put_alarm(region: Region, **fields: object) -> None:
    region.cloudwatch.alarms["headroom-alpha:read"].fields.update(fields)


def raise_by_itself(region: Region) -> None:
    region.functions.config = ""
    region.functions.invoke("no such function", scheduled_event(region, "sweep"))


def switch(region: Region) -> None:
    region.client("dynamodb").update_table(**SWITCH)


def lower_in_silence(calm: Player) -> None:
    calm.laws.silent_from = calm.region.minute - 8
    set_units(calm.region, "alpha", 45, 45)


def throttle_for_an_hour(calm: Player) -> None:
    calm.region.served[READS_OF_ALPHA] = (40.0, 5.0)
    for _ in range(60):
        calm.laws.judge_minute(calm.region)


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize(
    ("act", "law"),
    [
        (lower_in_silence, "although no metric is there"),
        (throttle_for_an_hour, "got no unit for"),
    ],
)
def test_a_law_about_time_that_is_broken_is_found(
    calm: Player, act: Callable[[Player], None], law: str
) -> None:
    served = dict(calm.region.served)
    with pytest.raises(BrokenLawError, match=law):
        act(calm)
    calm.laws.silent_from = None
    calm.laws.waiting.clear()
    calm.region.served.update(served)


def judge(laws: Laws, act: Callable[[Region], object]) -> None:
    act(laws.region)
    laws.judge_minute(laws.region)
    laws.judge_end()


@pytest.mark.parametrize(
    ("act", "law"),
    [
        (lambda region: set_units(region, UNMANAGED, 9, 9), "which is not managed"),
        (lambda region: set_units(region, "alpha", 90, 5), "one call raises"),
        (lambda region: set_units(region, "alpha", 9_000, 90), "outside of its bounds"),
        (lambda region: set_units(region, "alpha", 5, 50), "it used"),
        (
            lambda region: region.client("cloudwatch").delete_alarms(AlarmNames=["somebody"]),
            "of somebody else",
        ),
        (lambda region: put_alarm(region, Threshold=1e6), "fires at"),
        (lambda region: put_alarm(region, AlarmActions=[]), "has no action"),
        (lambda region: put_alarm(region, Threshold=60.0), "is at 60.0"),
        (raise_by_itself, "by itself"),
        (switch, "which is not configured"),
    ],
)
def test_a_law_that_is_broken_is_found(
    calm: Player, act: Callable[[Region], object], law: str
) -> None:
    region = calm.region
    kept = dict(region.cloudwatch.alarms["headroom-alpha:read"].fields)
    with pytest.raises(BrokenLawError, match=law) as found:
        judge(calm.laws, act)
    assert f"start Mon 12:00, {QUIET_MINUTES} minutes, seed 1" in str(found.value)
    put_alarm(region, **kept)


@pytest.mark.parametrize(
    ("by_hand", "hours_ago", "law"),
    [
        ({"alpha"}, None, "which somebody switched"),
        (set(), 5, "to on demand again"),
        (set(), 6, None),
        (set(), None, None),
    ],
)
def test_a_switch_that_breaks_a_law_is_found(
    calm: Player, by_hand: set[str], hours_ago: int | None, law: str | None
) -> None:
    laws = Laws(replace(CALM, past="spiky"), calm.region, switched_by_hand=by_hand)
    mode = calm.region.tables["alpha"].mode
    mode.at = None if hours_ago is None else calm.region.now - timedelta(hours=hours_ago)
    call = Call("dynamodb", "UpdateTable", SWITCH, calm.region.now)
    with pytest.raises(BrokenLawError, match=law) if law else nullcontext():
        laws.judge_call(call)
    mode.at = None
