"""The decisions on the targets of one table, coordinated."""

from typing import Any

import pytest
from msgspec import structs

from chalicelib.config.windows import Reserve, Window
from chalicelib.core import scaling
from chalicelib.model import BOTH, Decision, Reason
from tests.support.builders import (
    INDEX_READS,
    INDEX_WRITES,
    NOON,
    READS,
    WRITES,
    decide_with,
    decision,
    observation,
    policy,
)

LOW_FLOOR = Window(rule="floor", min_units=30, between="08:00-12:45")
SOON = (Reserve(at="12:59"),)
RAISED = decision(READS, 100, 150)
LOWERED = decision(WRITES, 100, 40)
KEPT = decision(INDEX_READS, 100, 100)


def small(target: Any = READS, wanted: Any = 90, **fields: Any) -> Decision:
    """Return a decrease that is not worth it alone."""
    return decision(target, reason=Reason.NOT_WORTH_IT, numbers={"wanted_units": wanted}, **fields)


def settled(*decisions: Decision) -> list[tuple[int, Reason]]:
    return [(found.desired, found.reason) for found in scaling.coordinate_dimensions(decisions)]


def test_nothing_is_lowered_while_something_of_the_table_is_raised() -> None:
    lowered_index = decision(INDEX_WRITES, 100, 40)
    assert scaling.coordinate_dimensions([RAISED, LOWERED, KEPT, lowered_index]) == [
        RAISED,
        decision(WRITES, 100, 100, Reason.INCREASE_FIRST),
        KEPT,
        decision(INDEX_WRITES, 100, 100, Reason.INCREASE_FIRST),
    ]


def test_nothing_is_lowered_while_all_the_others_are_raised() -> None:
    assert settled(RAISED, LOWERED) == [
        (150, Reason.UTILIZATION_HIGH),
        (100, Reason.INCREASE_FIRST),
    ]


def test_decreases_alone_stay_as_they_are() -> None:
    assert scaling.coordinate_dimensions([LOWERED, KEPT]) == [LOWERED, KEPT]


@pytest.mark.parametrize(
    ("target", "other"), [(READS, WRITES), (WRITES, READS), (INDEX_READS, INDEX_WRITES)]
)
def test_a_small_decrease_is_made_together_with_that_of_the_other_dimension(
    target: Any, other: Any
) -> None:
    assert settled(small(target), decision(other, 100, 40)) == [
        (90, Reason.TOGETHER),
        (40, Reason.UTILIZATION_LOW),
    ]


@pytest.mark.parametrize(
    "alone",
    [
        pytest.param(
            (small(READS), decision(INDEX_WRITES, 100, 40)), id="the decrease is another owner's"
        ),
        pytest.param((small(READS), KEPT), id="nothing is lowered"),
        pytest.param(
            (small(READS), decision(WRITES, 100, 40, dry_run=True)), id="the decrease is a dry run"
        ),
        pytest.param((small(READS, dry_run=True), LOWERED), id="it is a dry run itself"),
        pytest.param((small(READS, wanted=None), LOWERED), id="it is not known how far"),
        pytest.param(
            (small(READS), LOWERED, decision(INDEX_READS, 100, 150)), id="something is raised"
        ),
    ],
)
def test_a_small_decrease_stays_undone_otherwise(alone: tuple[Decision, ...]) -> None:
    assert settled(*alone)[0] == (100, Reason.NOT_WORTH_IT)


@pytest.mark.parametrize(
    "reason", [Reason.AT_DESIRED, Reason.BUDGET_USED_UP, Reason.THROTTLED_RECENTLY]
)
def test_only_a_decrease_that_is_too_small_alone_is_made_together(reason: Reason) -> None:
    assert settled(decision(READS, reason=reason, numbers={"wanted_units": 90}), LOWERED)[0] == (
        100,
        reason,
    )


def test_unchanged_takes_the_change_back_and_keeps_the_numbers() -> None:
    lowered = decision(WRITES, 100, 40, numbers={"peak_units": 26.0})
    assert scaling.unchanged(lowered, Reason.REFUSED) == decision(
        WRITES, 100, 100, Reason.REFUSED, {"peak_units": 26.0}
    )


@pytest.mark.parametrize(
    ("writes", "reads"),
    [
        pytest.param(decision(WRITES, 100, 50), 40, id="both are low"),
        pytest.param(
            decision(WRITES, 100, 100, Reason.NOT_WORTH_IT, {"wanted_units": 90}),
            40,
            id="the other comes along",
        ),
        pytest.param(decision(WRITES, 1, 1, Reason.AT_MIN), 40, id="the other is at its minimum"),
        pytest.param(decision(WRITES), 100, id="the other fits its load"),
        pytest.param(
            decision(WRITES, 100, 100, Reason.NO_DATA), 100, id="of the other nothing is known"
        ),
        pytest.param(decision(INDEX_WRITES, 100, 50), 40, id="an index is nothing to the table"),
        pytest.param(decision(WRITES, dry_run=True), 40, id="a dry run keeps nobody"),
    ],
)
def test_where_both_are_to_be_low_neither_is_lowered_alone(writes: Decision, reads: int) -> None:
    found = scaling.coordinate_dimensions(
        [structs.replace(decision(READS, 100, 40), needs_other=True), writes]
    )[0]
    assert (found.desired, found.reason is Reason.OTHER_NOT_LOW) == (reads, reads == 100)


@pytest.mark.parametrize(
    ("writes", "reads"),
    [
        pytest.param({"reserve_decreases": SOON}, 100, id="the writes keep it"),
        pytest.param({"windows": (LOW_FLOOR,)}, 100, id="the end of the writes' floor does"),
        pytest.param(
            {"windows": (LOW_FLOOR,), "scale_down": False},
            40,
            id="a floor that nothing lowers books nothing",
        ),
        pytest.param(
            {"reserve_decreases": SOON, "dry_run": True}, 40, id="a dry run keeps nothing"
        ),
        pytest.param({}, 40, id="nobody keeps it"),
    ],
)
def test_what_one_dimension_keeps_the_other_does_not_spend(
    writes: dict[str, Any], reads: int
) -> None:
    cases = [(READS, {}), (WRITES, writes)]
    seen = {target: observation(target, consumed=26.0, decreases_today=3) for target, _ in cases}
    found = scaling.coordinate_dimensions(
        decide_with(seen[t], policy(**settings), NOON, BOTH) for t, settings in cases
    )[0]
    assert found.desired == reads
    assert (found.reason is Reason.RESERVED) == ("kept_for" in found.numbers) == (reads == 100)
    index = decide_with(
        observation(INDEX_READS, consumed=26.0, decreases_today=3), policy(), NOON, BOTH
    )
    assert (
        scaling.coordinate_dimensions(
            [index, structs.replace(found, reserved={"kept_decreases": 1})]
        )[0].desired
        == 40
    )
