"""examples/: each configuration is free of mistakes, and does what its comments promise."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from chalicelib.config import loader
from chalicelib.config.policy import Policy
from chalicelib.config.rules import Config
from chalicelib.model import BOTH, Decision, Dimension, Reason, Target
from headroom.project import ROOT
from headroom.remarks import remarks
from headroom.simulation.replay import Replay
from tests.support.builders import decide_with, observation, outcome, steady

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

FOLDER = ROOT / "examples"
FILES = sorted(FOLDER.glob("*.toml"))
CONFIGS = {file.stem: loader.load(file.read_text(), str(file)) for file in FILES}
SHOP, TENANTS, BATCH, TIMES = (
    CONFIGS[name] for name in ("small-shop", "multi-tenant", "batch-pipeline", "fixed-times")
)


def resolve(config: Config, table: str, index: str = "", dimension: str = "read") -> Policy:
    policy = config.policy_for(Target(table, index, Dimension(dimension)))
    assert policy is not None
    return policy


def decide(config: Config, table: str, at: str, provisioned: int, rate: float) -> Decision:
    """Decide on the reads of a table whose demand was steady. at: UTC in November 2026, of which
    the 2nd is a Monday."""
    target, now = Target(table, "", Dimension.READ), datetime.fromisoformat(f"2026-11-{at}+00:00")
    return decide_with(
        observation(target, provisioned, steady(rate, end=now)), resolve(config, table), now, BOTH
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_an_example_leaves_no_doubt(name: str) -> None:
    assert remarks(CONFIGS[name]) == []


def test_the_readme_names_each_example() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert [file.name for file in FILES if f"]({file.name})" not in readme] == []


@pytest.mark.parametrize(
    ("at", "ready"),
    [
        pytest.param("02T07:44", False, id="before 08:45 in Berlin"),
        pytest.param("02T07:45", True, id="from 08:45 on"),
        pytest.param("01T12:00", False, id="on Sunday"),
    ],
)
def test_the_catalogue_is_ready_before_the_shop_opens(at: str, ready: bool) -> None:
    assert (decide(SHOP, "catalogue", at, 100, 60.0).desired == 200) == ready


def test_the_shop_limits_its_bill() -> None:
    assert (
        resolve(SHOP, "orders").max_units,
        resolve(SHOP, "orders", "by-customer").max_units,
        resolve(SHOP, "orders", "by-customer", "write").max_units,
        SHOP.manages("accounting"),
    ) == (2000, 300, 2000, False)


@pytest.mark.parametrize(
    ("table", "min_units", "max_units", "dry_run"),
    [
        ("tenant-acme", 400, 20000, False),
        ("tenant-umbrella", 1, 3000, True),
        ("tenant-trial-0815", 1, 50, False),
        ("tenant-trial-", 1, 3000, False),
        ("tenant-other", 1, 3000, False),
    ],
)
def test_the_first_rule_that_matches_a_tenant_is_used(
    table: str, min_units: int, max_units: int, dry_run: bool
) -> None:
    policy = resolve(TENANTS, table)
    assert (
        policy.min_units,
        policy.max_units,
        policy.dry_run,
        resolve(TENANTS, "tenant-other", "by-date").min_units,
    ) == (min_units, max_units, dry_run, 2)


def test_tenants_are_not_lowered_while_their_users_work() -> None:
    assert decide(TENANTS, "tenant-other", "02T13:00", 1000, 0.5).reason == Reason.WINDOW
    assert decide(TENANTS, "tenant-other", "02T23:00", 1000, 0.5).desired < 1000


@pytest.mark.parametrize(("servers", "units"), [(0, 0), (3, 50), (4, 200), (12, 600)])
def test_the_sessions_follow_the_web_servers(servers: int, units: int) -> None:
    (fleet,) = TENANTS.fleets
    assert (
        fleet.units(Target("web-sessions", "", Dimension.READ), servers),
        fleet.units(Target("web-sessions", "", Dimension.WRITE), servers),
    ) == (units, 5 * servers)


def test_one_decrease_is_kept_for_the_loader() -> None:
    policy, now = resolve(BATCH, "events-eu"), datetime.fromisoformat("2026-11-02T01:30:00+00:00")
    seen = observation(
        Target("events-eu", "", Dimension.READ),
        5000,
        steady(0.5, end=now),
        decreases_today=3,
        last_decrease_at=now - timedelta(minutes=20),
    )
    assert decide_with(seen, policy, now, BOTH).reason == Reason.RESERVED


def test_nothing_changes_while_the_files_are_exchanged() -> None:
    assert decide(BATCH, "events-eu", "02T01:50", 5000, 0.5).reason == Reason.WINDOW
    assert decide(BATCH, "events-eu", "02T02:00", 5000, 0.5).desired < 5000


def test_the_backup_holds_everything_and_an_export_only_decreases() -> None:
    backup, export = BATCH.pauses
    assert backup.directions == BOTH
    assert backup.reserve_decrease
    assert (len(export.directions), [pause.concerns("reports") for pause in BATCH.pauses]) == (
        1,
        [True, False],
    )


def test_the_queue_doubles_and_follows_its_workers() -> None:
    assert outcome(decide(BATCH, "jobs", "02T12:00", 100, 80.0)) == (200, Reason.UTILIZATION_HIGH)
    (workers,) = BATCH.fleets
    assert workers.units(Target("jobs", "", Dimension.READ), 6) == 150


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "hours"),
    [("orders", {2, 10, 14}), ("sessions", {2, 10, 14}), ("reports", {0, 6, 12, 18})],
)
def test_capacity_is_lowered_at_the_fixed_times_only(table: str, hours: set[int]) -> None:
    """Demand is low from 75 minutes before each time, and once in between, where it pays, too."""
    target = Target(table, "", Dimension.READ)
    low = {(h * 60 + m) % 1440 for h in hours for m in [*range(-75, 30), *range(100, 170)]}
    demand = [60.0 if minute % 1440 in low else 400.0 for minute in range(2 * 1440)]
    policies = {target: resolve(TIMES, table)}
    outcome = Replay({target: demand}, policies, {target: 500}).run()[target]
    lowered = [m for m, (a, b) in enumerate(pairwise(outcome.units), 1) if b < a]
    assert {minute // 60 % 24 for minute in lowered} == hours
    assert all(minute % 60 < 16 for minute in lowered)  # it is in effect a minute later
    assert outcome.decreases == len(lowered) == len({minute // 60 for minute in lowered})
    assert outcome.changes > outcome.decreases
