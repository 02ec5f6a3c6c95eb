"""What the targets of a region cost, each way to run them, the advice, and what Headroom itself
costs."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from msgspec import structs

from chalicelib.config import loader
from chalicelib.config.policy import make_policy
from chalicelib.model import Dimension, TableState, Target
from headroom.commands import cost_report
from headroom.simulation import costs, own_costs, pricing, summary
from headroom.simulation.clock import DAY, START
from headroom.simulation.costs import (
    Advice,
    Options,
    ReadFailure,
    TableHistory,
    TargetCosts,
)
from headroom.simulation.history import NoHistoryError, TargetHistory
from headroom.simulation.outcome import Outcome
from headroom.simulation.own_costs import OwnCosts
from headroom.simulation.replay import Replay, initial_units
from tests.support.builders import READS, WRITES, throughput

PRICES = pricing.load()
NO_RULES = loader.load("")
LAZY_READS, LAZY_WRITES = (Target("lazy", "", dimension) for dimension in Dimension)
WAVE = [40.0 + 80 * (minute % DAY in range(700, 710)) for minute in range(DAY)]


def table(
    read: int = 100, write: int = 100, on_demand: bool = False, indexes: Sequence[str] = ()
) -> TableState:
    throughputs = {name: throughput(read, write) for name in ("", *indexes)}
    return TableState("orders", "arn", active=True, on_demand=on_demand, throughputs=throughputs)


def history(
    reads: Sequence[float],
    writes: Sequence[float] | None = None,
    state: TableState | None = None,
    is_whole: bool = True,
) -> TableHistory:
    demand = {READS: reads, WRITES: writes or [0.0] * len(reads)}
    return TableHistory(state or table(), demand, START, is_whole)


def reads_of(aligned: TableHistory) -> TargetCosts:
    return next(
        target_costs
        for target_costs in costs.costs([aligned], NO_RULES, PRICES, workers=1)
        if target_costs.target == READS
    )


# the figures


@pytest.mark.slow
def test_a_target_is_costed_each_way_from_the_price_file() -> None:
    target_costs = reads_of(history(WAVE, state=table(read=80)))
    mean = sum(WAVE) / DAY
    assert (target_costs.units_now, target_costs.mean_units) == (80, mean)
    assert target_costs.now == pytest.approx(80 * 0.00013 * 730)
    assert target_costs.on_demand == pytest.approx(mean * 3600 * 730 / 1e6 * 0.125)
    assert target_costs.reserved == pytest.approx((100 * 0.0000592 + 20 * 0.00013) * 730)
    assert target_costs.utilisation_percent == pytest.approx(100 * mean / 80)


@pytest.mark.slow
def test_headrooms_month_comes_from_the_replay() -> None:
    aligned = history(WAVE)
    outcomes = Replay(
        aligned.demand,
        {target: make_policy() for target in aligned.demand},
        {target: initial_units(demand) for target, demand in aligned.demand.items()},
    ).run()
    target_costs = reads_of(aligned)
    assert target_costs.headroom == pytest.approx(outcomes[READS].unit_hours / 24 * 730 * 0.00013)
    assert target_costs.headroom_ppm == outcomes[READS].throttled_ppm(WAVE) > 0
    assert target_costs.headroom_utilisation_percent == pytest.approx(
        100 * sum(WAVE) / sum(outcomes[READS].units)
    )


@pytest.mark.slow
def test_the_configuration_of_the_table_is_replayed() -> None:
    rules = loader.load('[understudy]\n[[tables]]\nname = "orders"\nmin_units = 500')
    lines = costs.costs([history(WAVE)], rules, PRICES, workers=1)
    assert [target_costs.headroom for target_costs in lines] > [499 * 0.00013 * 730] * 2
    assert [one.own.alarms for one in lines] == [pytest.approx(5 * 0.10)] * 2


@pytest.mark.slow
def test_a_table_on_demand_costs_what_it_consumes() -> None:
    target_costs = reads_of(history(WAVE, state=table(0, 0, on_demand=True)))
    assert (target_costs.units_now, target_costs.utilisation_percent) == (None, None)
    assert target_costs.now == target_costs.on_demand > 0


@pytest.mark.parametrize(
    ("peak", "hour"),
    [
        (0, 0.00013),
        (45, 45 * 0.00013),
        (46, 0.00592),
        (100, 0.00592),
        (140, 0.00592 + 40 * 0.00013),
        (189.5, 2 * 0.00592),
        (1000, 10 * 0.00592),
    ],
    ids=str,
)
def test_blocks_are_reserved_where_they_pay_and_the_rest_has_its_price(
    peak: float, hour: float
) -> None:
    assert costs.reserved_month(peak, PRICES.read) == pytest.approx(hour * 730)


def test_headrooms_own_cost_is_counted_by_what_it_does() -> None:
    outcome = Outcome(metrics=800, changes=10)
    own = own_costs.own_costs(outcome, 73 * 60, PRICES.headroom, targets=4)
    runs = (60 + 12 + 1) * 730 / 4 + 100
    seconds = {name: points[0][1] for name, points in own_costs.counts().run_seconds.items()}
    gb_seconds = 730 / 4 * (60 * seconds["follow_up"] * 1_769 / 1_024 + 12 * seconds["sweep"])
    gb_seconds += 730 / 4 * seconds["scale_down"] + 100 * 0.5 * seconds["on_alarm"]
    assert own.alarms == 0.10
    assert own.logs == pytest.approx((13 * 730 + outcome.metric_reads / 0.1) * 1e-6 * 0.50)
    assert own.metric_reads == pytest.approx((8000 + 730) * 0.00001)
    assert own.lambda_ == pytest.approx(runs * 0.0000002 + gb_seconds * 0.0000133334)
    assert own.total == own.alarms + own.metric_reads + own.lambda_ + own.logs


@pytest.mark.parametrize(
    ("function", "targets", "seconds"),
    [
        ("sweep", 1, 1.0),
        ("sweep", 10, 1.0),
        ("sweep", 15, 2.0),
        ("sweep", 20, 3.0),
        ("sweep", 40, 6.0),
        ("follow_up", 40, 0.1),
        ("on_alarm", 40, 1.0),
    ],
)
def test_a_run_is_as_long_as_one_that_was_measured(
    function: str, targets: int, seconds: float
) -> None:
    measured = {
        "sweep": [(10, 1.0), (20, 3.0)],
        "follow_up": [(10, 0.1), (20, 0.1)],
        "on_alarm": [(10, 1.0), (20, 1.1)],
    }
    counts = own_costs.OwnCounts(2.0, 2.0, 1.0, 2.0, measured)
    assert counts.seconds(function, targets) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ("", 1),
        ("[understudy]", 5),
        ("[understudy]\ntables = ['users']", 1),
        ("[defaults]\nscale_up = false\n[understudy]", 1),
    ],
    ids=["without", "with", "of another table", "of what Headroom does not scale"],
)
def test_the_alarms_of_an_understudys_policy_are_counted(settings: str, count: int) -> None:
    rules = loader.load(f"{settings}\n[[tables]]\nname = 'orders'\n[[tables]]\nname = 'users'\n")
    alarms = costs.alarms(rules, READS)
    own = own_costs.own_costs(Outcome(), 60, PRICES.headroom, 1, alarms)
    assert own.alarms == pytest.approx(count * PRICES.headroom.alarm_month)
    assert costs.alarms(rules, Target("else", "", Dimension.READ)) == 1


def test_the_break_even_comes_from_the_price_file() -> None:
    assert costs.break_even(PRICES) == (
        "Below 28.9 % mean utilisation on-demand is cheaper than anything provisioned at the "
        "normal price."
    )
    cheaper = pricing.Prices(
        **{**as_fields(PRICES), "write": pricing.UnitPrices(0.0005, 0.625, 0.000299)}
    )
    assert "Below 28.9 % (reads) and 22.2 % (writes) mean utilisation" in costs.break_even(cheaper)


def as_fields(prices: pricing.Prices) -> dict[str, object]:
    return {name: getattr(prices, name) for name in prices.__struct_fields__}


# the advice

EXPENSIVE = Options(
    now=100,
    headroom=99,
    on_demand=98,
    reserved=97,
    own=OwnCosts(1, 0, 0),
    now_weight=100,
    headroom_weight=100,
)


@pytest.mark.parametrize(
    ("changes", "is_on_demand", "may_switch", "advice"),
    [
        ({}, False, True, Advice.AS_IT_IS),
        ({"headroom_weight": 95}, False, True, Advice.HEADROOM),
        ({"headroom_weight": 95.1}, False, True, Advice.AS_IT_IS),
        ({"reserved": 60, "headroom_weight": 70}, False, True, Advice.RESERVED),
        ({"on_demand": 50, "headroom_weight": 60}, False, True, Advice.ON_DEMAND),
        ({"on_demand": 50, "headroom_weight": 60}, False, False, Advice.HEADROOM),
        ({"on_demand": 58, "headroom_weight": 60}, False, True, Advice.HEADROOM),
        ({"now_weight": 300}, False, True, Advice.RESERVED),
        ({}, True, True, Advice.AS_IT_IS),
        ({"headroom_weight": 60}, True, True, Advice.HEADROOM),
        ({"headroom_weight": 60}, True, False, Advice.AS_IT_IS),
        ({"reserved": 40, "headroom_weight": 60}, True, True, Advice.RESERVED),
    ],
    ids=[
        "nothing saves enough",
        "Headroom saves just enough",
        "Headroom does not save enough",
        "reserved is cheapest",
        "on demand is cheapest",
        "on demand would be cheapest but the table is not all known",
        "on demand is hardly cheaper",
        "as it is throttles",
        "on demand stays",
        "on demand is left for Headroom",
        "on demand stays while the table is not all known",
        "on demand is left for a reservation",
    ],
)
def test_the_advice_is_the_cheapest_option_that_is_worth_a_change(
    changes: dict[str, float], is_on_demand: bool, may_switch: bool, advice: Advice
) -> None:
    assert costs.advise({READS: replace(EXPENSIVE, **changes)}, is_on_demand, may_switch) == {
        READS: advice
    }


def test_a_table_is_on_demand_with_all_its_targets_or_none() -> None:
    idle, busy = (
        replace(EXPENSIVE, on_demand=1, headroom_weight=30),
        replace(EXPENSIVE, on_demand=400, headroom_weight=50),
    )
    assert costs.advise({READS: idle, WRITES: busy}, False, True) == {
        READS: Advice.HEADROOM,
        WRITES: Advice.HEADROOM,
    }
    assert costs.advise({READS: idle, WRITES: idle}, False, True) == {
        READS: Advice.ON_DEMAND,
        WRITES: Advice.ON_DEMAND,
    }


@pytest.mark.slow
def test_a_table_that_throttles_is_not_left_as_it_is() -> None:
    target_costs = reads_of(history([90.0] * DAY, state=table(read=30)))
    assert target_costs.now < target_costs.headroom
    assert target_costs.advice is not Advice.AS_IT_IS


@pytest.mark.slow
def test_headrooms_own_cost_counts_against_it() -> None:
    busy_hour = [3.0 if minute in range(600, 660) else 0.5 for minute in range(DAY)]
    target_costs = reads_of(history(busy_hour, state=table(read=3), is_whole=False))
    assert (
        target_costs.headroom
        < 0.9 * target_costs.now
        < target_costs.headroom + target_costs.own.total
    )
    assert target_costs.advice is Advice.AS_IT_IS


@pytest.mark.slow
def test_throttling_under_headroom_counts_against_it() -> None:
    spikes = [600.0 if minute % 240 in range(220, 224) else 1.0 for minute in range(DAY)]
    target_costs = reads_of(history(spikes, state=table(read=600), is_whole=False))
    assert target_costs.headroom + target_costs.own.total < 0.9 * target_costs.reserved
    assert target_costs.headroom_ppm > 100_000
    assert target_costs.advice is Advice.RESERVED


@pytest.mark.slow
def test_a_table_with_little_demand_belongs_on_demand() -> None:
    target_costs = reads_of(
        history([60.0 if minute < 20 else 0.1 for minute in range(DAY)], state=table(100, 50))
    )
    assert target_costs.utilisation_percent is not None
    assert target_costs.utilisation_percent < 28.9
    assert target_costs.advice is Advice.ON_DEMAND


@pytest.mark.parametrize("advice", list(Advice))
def test_the_advised_month_is_that_of_the_advice(advice: Advice) -> None:
    target_costs = TargetCosts(
        READS, 1, 1.0, 1.0, 2.0, 0.0, OwnCosts(0.1, 0.2, 0.3), 4.0, 8.0, 1.0, 1.0, advice
    )
    expected = {
        Advice.AS_IT_IS: 1.0,
        Advice.HEADROOM: 2.6,
        Advice.ON_DEMAND: 4.0,
        Advice.RESERVED: 8.0,
    }
    assert costs.advised_month(target_costs) == pytest.approx(expected[advice])


# the histories


def test_targets_whose_histories_differ_in_length_are_cut_to_what_all_have() -> None:
    later = START.replace(day=START.day + 1)
    pasts = {
        READS: TargetHistory([1.0] * DAY + [2.0] * DAY, 0, START),
        WRITES: TargetHistory([3.0] * DAY, 0, later),
    }
    aligned = costs.align(table(), pasts)
    assert aligned.start == later
    assert aligned.demand == {READS: [2.0] * DAY, WRITES: [3.0] * DAY}
    assert aligned.is_whole


def test_a_target_that_cannot_be_read_is_reported_and_the_others_are_read() -> None:
    def read_history(target: Target) -> TargetHistory:
        if target == READS:
            raise NoHistoryError("nothing of it")
        return TargetHistory([1.0], 0, START)

    table_history, failures = costs.read(table(), read_history, ())
    assert failures == [ReadFailure("orders:read", "nothing of it")]
    assert table_history is not None
    assert (list(table_history.demand), table_history.is_whole) == ([WRITES], False)


def test_a_table_of_which_nothing_can_be_read_has_no_history() -> None:
    def read_history(target: Target) -> TargetHistory:
        raise ValueError(str(target))

    table_history, failures = costs.read(table(), read_history, (ValueError,))
    assert table_history is None
    assert [failure.why for failure in failures] == ["orders:read", "orders:write"]


@pytest.mark.slow
def test_two_processes_cost_what_one_costs() -> None:
    histories = [history(WAVE), history([5.0] * DAY)]
    calls: list[int] = []
    one, two = (
        costs.costs(histories, NO_RULES, PRICES, lambda: calls.append(1), workers)
        for workers in (1, 2)
    )
    assert one == two
    assert len(calls) == 4


# what concerns all tables together


@pytest.mark.slow(traced=True)
def test_a_table_that_stores_much_is_cheaper_in_the_other_class() -> None:
    state = structs.replace(table(), size_bytes=500 << 30)
    aligned = history(WAVE, state=state)
    found = costs.costs([aligned], NO_RULES, PRICES, workers=1)
    made = summary.summarize(found, [aligned], PRICES)
    (text,) = [t for t in cost_report.sentences(made, 7) if t.startswith("Table class")]
    assert "orders (500.0 GB) is cheaper in Standard-IA: saves" in text
    assert not made.idle


def test_a_table_that_consumes_nothing_is_idle() -> None:
    aligned = history([0.0] * 60)
    found = costs.costs([aligned], NO_RULES, PRICES, workers=1)
    made = summary.summarize(found, [aligned], PRICES)
    (text,) = [t for t in cost_report.sentences(made, 7) if t.startswith("Idle")]
    month = 100 * 0.00078 * 730
    assert text == (
        f"Idle: orders: consumed nothing in the last 7 days, for {month:.0f} USD a month now."
    )


def test_replicated_writes_and_the_other_class_are_not_reserved() -> None:
    plain, other = table(), structs.replace(table(), table_class="STANDARD_INFREQUENT_ACCESS")
    everywhere = structs.replace(table(), replicas=("eu-west-1",))
    able = [
        [costs.is_reservable(state, target) for target in (READS, WRITES)]
        for state in (plain, other, everywhere)
    ]
    assert able == [[True, True], [False, False], [True, False]]
    assert costs.reserved_month(100, PRICES.read, False) == pytest.approx(100 * 0.00013 * 730)
