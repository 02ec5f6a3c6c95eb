"""The scenarios: their counts are the handlers' own calls, and killed runs are reported."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib import handlers
from chalicelib.aws.queue import send
from chalicelib.aws.tables import table_names
from chalicelib.events import GroupEvent, to_text
from chalicelib.model import BOTH, Dimension, Target
from chalicelib.run import Run
from headroom.scale import goals
from headroom.scale.fan_out import FannedOut
from headroom.scale.limits import load
from headroom.scale.results import Results, differences, jobs, read, write
from headroom.scale.scenarios import SCENARIOS, Measurement, measure, steady_cost
from headroom.scale.simulation import BEGIN, Conditions, Container, Simulation

#: CPU costs no virtual time, so that a busy machine changes nothing.
CONDITIONS = Conditions(cpu_factor=0.0)


def by_run(name: str, size: int = 2) -> dict[str, Measurement]:
    return {m.run: m for m in measure(name, size, CONDITIONS)}


@pytest.fixture(scope="module")
def sweeps() -> dict[str, Measurement]:
    return by_run("sweep")


@pytest.mark.slow
def test_a_steady_sweep_writes_nothing_and_reads_the_history_once(sweeps):
    runs = sweeps
    cold, warm = runs["cold"], runs["warm"]
    assert cold.calls["DescribeTable"] == warm.calls["DescribeTable"] == 2
    assert not {"UpdateTable", "PutMetricAlarm"} & {*cold.calls, *warm.calls}
    assert cold.metrics > warm.metrics > 0
    assert cold.datapoints > 10 * warm.datapoints
    assert runs["next hour"].datapoints < cold.datapoints / 10
    assert "GetCallerIdentity" not in cold.calls
    assert cold.reached == warm.reached == 2


@pytest.mark.slow(traced=True)
def test_on_alarm_raises_the_table_with_two_indexes():
    runs = by_run("on_alarm", 1)
    cold = runs["cold"]
    assert cold.calls["UpdateTable"] == runs["warm"].calls["UpdateTable"] == 1
    assert cold.first_update is not None
    assert 0.2 < cold.first_update < cold.seconds
    assert cold.targets == 6


@pytest.mark.slow(traced=True)
def test_follow_up_without_a_hot_alarm_is_one_question():
    assert by_run("follow_up")["warm"].calls == {"DescribeAlarms": 1}


@pytest.mark.slow
def test_workers_reach_every_table_in_place_of_the_sweep():
    runs = by_run("sweep, 10 workers")
    cold, alone = runs["cold"], by_run("sweep")["cold"]
    assert cold.calls["SendMessageBatch"] == 1
    assert (cold.reached, cold.failures, cold.killed) == (2, 0, False)
    assert cold.calls["DescribeTable"] == 2 * alone.calls["DescribeTable"]
    assert cold.metrics < alone.metrics  # without the days of tables that nothing would lower


@pytest.mark.slow
def test_workers_run_side_by_side():
    simulation = Simulation(1, CONDITIONS)
    simulation.account.make_alarms()
    (name,) = simulation.account.tables
    texts = [to_text(GroupEvent("sweep", (name,), BOTH))] * 3
    runs = FannedOut(simulation, "sweep").invoke(lambda run: send(run.aws, texts, "sweep"))
    taken = [run.seconds for function, run in runs.each if function == "on_group"]
    assert len(taken) == 3
    assert max(taken) < runs.whole.seconds < sum(taken)


@pytest.mark.slow(traced=True)
def test_workers_raise_hot_tables():
    raised, rewritten = goals.raised(2, CONDITIONS, workers=True)
    assert raised.goal == "all hot tables raised, 10 workers"
    assert raised.seconds is not None
    assert rewritten.seconds is not None


@pytest.mark.slow(traced=True)
def test_a_killed_run_is_counted_and_its_container_is_cold_again():
    simulation = Simulation(1, CONDITIONS)
    container = Container(simulation, "on_alarm")

    def slow(run: Run) -> None:
        table_names(run.aws)
        run.aws.sleep(61.0)

    for _ in range(2):
        killed = container.invoke(slow)
        assert killed.killed
        assert killed.seconds == 60.0
        assert killed.calls == {"ListTables": 1}


def hot_simulation(size: int, at_once: int, seconds: float) -> Simulation:
    """Return an account whose tables are all hot. at_once, seconds: of UpdateTable."""
    limits = load()
    updates = replace(limits.updates, at_once=at_once, seconds=seconds)
    simulation = Simulation(
        size, Conditions(cpu_factor=0.0, limits=replace(limits, updates=updates))
    )
    account = simulation.account
    account.make_hot([Target(name, "", d) for name in account.tables for d in Dimension])
    account.make_alarms()
    return simulation


@pytest.mark.slow(traced=True)
def test_increases_that_meet_the_limit_of_updates_are_made_when_others_are_over():
    """botocore's own retries would keep the run waiting; the alarms take five seconds."""
    simulation = hot_simulation(12, at_once=8, seconds=3.0)
    run = Container(simulation, "follow_up").invoke(handlers.follow_up)
    assert all(table.raised for table in simulation.account.tables.values())
    assert (run.calls["UpdateTable"], run.killed, run.error) == (12 + 4, False, "")


@pytest.mark.slow(traced=True)
def test_causes_of_many_targets_are_read_only_where_units_depend_on_them():
    simulation = hot_simulation(20, at_once=500, seconds=60.0)
    container, reports = Container(simulation, "follow_up"), []
    low_thresholds = list(simulation.account.alarms.values())

    def follow_up(run: Run) -> None:
        reports.append(handlers.follow_up(run))

    metrics = []
    for minute in (0, 0.9, 6):
        simulation.wait_until(BEGIN + timedelta(minutes=minute))
        for fields in low_thresholds:  # as before the rewrites
            simulation.account.put_alarm(fields)
        metrics.append(container.invoke(follow_up).metrics)
    assert metrics[1] == 0  # all tables are updating
    left_out = [[skip.detail.split(",")[0] for skip in report.skips] for report in reports]
    assert left_out == [["not read for 2 targets"], [], ["not read for 15 targets"]]


def test_an_exception_of_a_handler_is_a_result():
    def broken(_: Run) -> None:
        raise LookupError("no such thing")

    simulation = Simulation(1, CONDITIONS)
    invocation = Container(simulation, "sweep").invoke(broken)
    assert invocation.error == "LookupError: no such thing"
    assert not invocation.killed
    simulation.wait_until(BEGIN + timedelta(hours=1))


@pytest.mark.slow
def test_where_dynamodb_describes_no_table_follow_up_reports_that_in_its_time():
    simulation = Simulation(40, CONDITIONS, silent=["DescribeTable"])
    names = [*simulation.account.tables]
    simulation.account.make_hot([Target(name, "", Dimension.WRITE) for name in names])
    simulation.account.make_alarms()
    reports = []
    run = Container(simulation, "follow_up").invoke(
        lambda run: reports.append(handlers.follow_up(run))
    )
    assert (run.killed, run.seconds < 15) == (False, True)
    assert [failure.subject for failure in reports[0].failures] == ["the tables"]
    assert set(reports[0].unreached) == set(names)


@pytest.mark.slow(traced=True)
def test_all_hot_tables_are_raised_and_their_alarms_rewritten():
    raised, rewritten = goals.raised(1, CONDITIONS)
    assert raised.seconds is not None
    assert rewritten.seconds is not None
    assert raised.tables == 1
    assert (rewritten.alarms, rewritten.alarm_writes) == (2, 2)  # each is written once


@pytest.mark.slow(traced=True)
def test_every_managed_target_gets_its_alarm():
    (made,) = goals.made(1, CONDITIONS)
    assert (made.runs, made.killed) == (1, 0)


@pytest.mark.slow(traced=True)
def test_idle_tables_are_lowered():
    (lowered,) = goals.lowered(1, CONDITIONS)
    assert lowered.seconds is not None


@pytest.mark.slow(traced=True)
def test_a_goal_that_is_not_reached_is_given_up():
    simulation = Simulation(1, CONDITIONS)
    schedule = goals.Schedule("follow_up", handlers.follow_up, goals.FOLLOW_UP.every)
    (goal,) = goals.reach(
        simulation, {"never": lambda: None}, [schedule], 3 * goals.FOLLOW_UP.every
    )
    assert (goal.seconds, goal.runs) == (None, 3)


def test_the_cost_of_a_calm_account_needs_its_three_functions(sweeps):
    others = (("scale_down", "next hour"), ("follow_up", "warm"))
    rest = [replace(sweeps["warm"], scenario=name, run=run) for name, run in others]
    measured = [*sweeps.values(), *rest]
    cost = steady_cost(measured)
    assert cost is not None
    assert cost.alarms == pytest.approx(0.1 * sweeps["warm"].alarms / 2)
    assert cost.total > cost.alarms + cost.metrics > cost.alarms
    assert steady_cost(measured[:-1]) is None


@pytest.mark.parametrize(
    ("scenario", "run", "tables", "seconds"),
    [
        ("sweep", "cold", 1_000, 60.0),
        ("sweep", "cold", 10_000, None),
        ("sweep, 10 workers", "cold", 10_000, 60.0),
        ("on_alarm", "warm", 1_000, 0.8),
        ("follow_up", "warm", 10, None),
    ],
)
def test_a_run_has_what_it_shall_take(sweeps, scenario, run, tables, seconds):
    found = replace(sweeps["cold"], scenario=scenario, run=run, tables=tables)
    assert found.aim == seconds


@pytest.mark.slow(traced=True)
def test_results_are_kept_and_compared(tmp_path):
    measured = measure("follow_up", 1, CONDITIONS)
    before = Results(50.0, 1.0, measured, [])
    write(before, tmp_path / "scale.json")
    assert read(tmp_path / "scale.json") == before
    assert list(differences(before, before)) == []
    changed = [replace(m, calls={"X": 2}, metrics=7) for m in measured]
    lines = list(differences(Results(50.0, 1.0, changed, []), before))
    assert "follow_up, cold, 1 tables: X 0 → 2" in lines
    assert "follow_up, cold, 1 tables: metrics read 0 → 7" in lines


def test_a_thousand_hot_alarms_need_a_thousand_tables_and_goals_end_there():
    assert ("follow_up, 1000 hot", 100) not in jobs([], [100])
    assert ("follow_up, 1000 hot", 1_000) in jobs([], [1_000])
    assert jobs(["made", "sweep"], [10_000]) == [("sweep", 10_000)]
    assert {name for name, _ in jobs([], [1_000])} >= {*SCENARIOS, *goals.GOALS}


@pytest.mark.parametrize(
    ("name", "alarms", "wanted", "floor"),
    [
        ("all hot tables raised", 2_300, 180.0, 15.0),
        ("and all their alarms rewritten, 10 workers", 2_300, 996.7, 766.7),
        ("all alarms made", 25_500, 10_200.0, 8_500.0),
        ("on_alarm raises while GetMetricData is silent", 3, 15.0, None),
    ],
)
def test_a_goal_has_what_it_shall_take_and_its_floor(name, alarms, wanted, floor):
    goal = goals.Goal(name, 1_000, 1.0, 1, 0, 0, alarms)
    found = goals.aim_of(goal).of(goal)
    assert found == (pytest.approx(wanted, abs=0.1), floor and pytest.approx(floor, abs=0.1))
