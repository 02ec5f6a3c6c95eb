"""The understudy, in tables: which targets are registered, suspended, resumed, corrected."""

import pytest

from chalicelib.config.loader import load
from chalicelib.config.rules import Config
from chalicelib.core import understudy
from chalicelib.core.understudy import ScalableTarget, State
from chalicelib.model import Dimension, StandBy, TableState, Target
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES, throughput

RULE = '[[tables]]\nname = "orders"\nmin_units = 7\nmax_units = 900\n'
SECTION = '[understudy]\ntables = ["ord*"]\nutilization_percent = 55\nregions = ["eu-west-1"]\n'
CONFIG = load(RULE + SECTION)
OTHERS = load(RULE.replace("orders", "*") + SECTION)
READS_OF_CART = Target("cart", "", Dimension.READ)


def known(
    target: Target = READS, state: State = State.SUSPENDED, least: int = 7, most: int = 900
) -> ScalableTarget:
    return ScalableTarget(target, "", state, least, most)


def table(*indexes: str, name: str = "orders", replicas: tuple[str, ...] = ()) -> TableState:
    throughputs = {index: throughput() for index in ("", *indexes)}
    return TableState(name, "", True, False, throughputs, replicas)


def test_a_suspended_target_is_managed_only_where_no_understudy_is_configured() -> None:
    found = [
        known(READS),
        known(WRITES, State.ACTIVE),
        known(INDEX_WRITES, State.BEGUN),
        known(READS_OF_CART),
    ]
    assert understudy.managed(CONFIG, found) == {
        "orders": {Dimension.WRITE},
        "cart": {Dimension.READ},
    }
    two = [known(READS, State.ACTIVE), known(WRITES, State.ACTIVE)]
    assert understudy.managed(CONFIG, two) == {"orders": set(Dimension)}


@pytest.mark.parametrize(
    ("config", "replicas", "left"),
    [
        pytest.param(CONFIG, ("us-west-2", "eu-west-1"), {WRITES, INDEX_WRITES}, id="without one"),
        pytest.param(CONFIG, ("eu-west-1",), set(), id="all have one"),
        pytest.param(CONFIG, (), set(), id="no global table"),
        pytest.param(load(RULE), ("us-west-2",), set(), id="no understudy"),
    ],
)
def test_writes_of_a_global_table_are_left_where_a_region_has_none(
    config: Config, replicas: tuple[str, ...], left: set[Target]
) -> None:
    assert understudy.left_writes(config, [table("by-date", replicas=replicas)]) == left


@pytest.mark.parametrize(
    ("state", "percent"), [(State.ACTIVE, 0), (State.BEGUN, 55), (State.SUSPENDED, None)]
)
def test_what_is_not_suspended_yet_comes_to_be(state: State, percent: int | None) -> None:
    wanted = [] if percent is None else [StandBy(READS, 7, 900, percent, True)]
    assert understudy.to_suspend(CONFIG, [known(state=state)], [READS], []) == wanted


@pytest.mark.parametrize(
    ("config", "own", "left"),
    [
        pytest.param(CONFIG, [WRITES], [], id="of somebody else"),
        pytest.param(CONFIG, [READS], [READS], id="left"),
        pytest.param(load(RULE + "dry_run = true\n" + SECTION), [READS], [], id="dry run"),
        pytest.param(load(RULE + "scale_up = false\n" + SECTION), [READS], [], id="never raised"),
        pytest.param(load(RULE.replace("orders", "x") + SECTION), [READS], [], id="no rule"),
    ],
)
def test_what_headroom_does_not_scale_is_not_suspended(
    config: Config, own: list[Target], left: list[Target]
) -> None:
    assert understudy.to_suspend(config, [known(state=State.ACTIVE)], own, left) == []
    more = [known(state=State.ACTIVE), known(INDEX_READS, State.ACTIVE)]
    suspended = understudy.to_suspend(CONFIG, more, [INDEX_READS], left)
    assert [one.target for one in suspended] == [INDEX_READS]


def test_a_suspension_lets_it_lower_only_where_the_rule_does() -> None:
    config = load(RULE + "scale_down = false\n" + SECTION)
    [one] = understudy.to_suspend(config, [known(state=State.ACTIVE)], [READS], [])
    assert not one.scales_in


@pytest.mark.parametrize(
    ("text", "left", "state", "is_resumed"),
    [
        pytest.param(RULE + SECTION, [], State.SUSPENDED, False, id="as configured"),
        pytest.param(RULE + SECTION, [READS], State.SUSPENDED, True, id="left"),
        pytest.param(RULE, [], State.SUSPENDED, True, id="no section any more"),
        pytest.param(RULE, [], State.ACTIVE, False, id="it scales already"),
        pytest.param(RULE, [], State.BEGUN, False, id="begun"),
        pytest.param(
            RULE + "dry_run = true\n" + SECTION, [], State.SUSPENDED, True, id="a dry run"
        ),
        pytest.param("", [], State.SUSPENDED, False, id="no rule: setup does it"),
    ],
)
def test_what_headroom_leaves_is_resumed(
    text: str, left: list[Target], state: State, is_resumed: bool
) -> None:
    resumed = [StandBy(READS, 5, 800, 0, scales_in=True, ends=True)] if is_resumed else []
    found = [known(state=state, least=5, most=800)]
    assert understudy.to_resume(load(text), found, [READS], left) == resumed
    assert understudy.to_resume(load(text), found, [WRITES], left) == []


def test_missing_targets_are_registered_and_bounds_follow_the_rule() -> None:
    found = [
        known(READS),
        known(WRITES, least=6),
        known(INDEX_READS, most=901),
    ]
    tables = [table(name="cart"), table("by-date")]
    assert understudy.to_correct(OTHERS, tables, found, []) == [
        StandBy(WRITES, 7, 900, 0, True),
        StandBy(INDEX_READS, 7, 900, 0, True),
        StandBy(INDEX_WRITES, 7, 900, 55, True, is_new=True),
    ]


def test_what_is_left_or_scaled_by_it_or_not_by_headroom_is_not_corrected() -> None:
    odd = [known(READS, State.ACTIVE, least=1)]
    assert understudy.to_correct(CONFIG, [table()], odd, [WRITES]) == []
    dry = load(RULE + "dry_run = true\n" + SECTION)
    assert understudy.to_correct(dry, [table()], [], []) == []
    # one that is passed over does not end the rest
    later = understudy.to_correct(CONFIG, [table("by-date")], [], [READS])
    assert [one.target for one in later] == [WRITES, INDEX_READS, INDEX_WRITES]


def test_suspended_targets_with_an_understudy_are_watched() -> None:
    watched = known(READS)
    found = [watched, known(WRITES, State.ACTIVE), known(READS_OF_CART)]
    assert understudy.watched_by(CONFIG, found) == {READS: watched}
