"""The data of a chart: step functions by their corners, and rates as a picture shows them."""

import pytest

from headroom.chart import data


@pytest.mark.parametrize(
    ("units", "corners"),
    [([], []), ([5], [0]), ([5, 5, 5], [0]), ([5, 7, 7, 5], [0, 1, 3]), ([None, 5, None, 5], [1])],
)
def test_a_step_function_is_drawn_by_its_corners(
    units: list[float | None], corners: list[int]
) -> None:
    drawn = data.steps("capacity", "headroom", units, [0.0, 2.34, 0.0])
    assert drawn["at"] == corners
    assert drawn["units"] == [units[minute] for minute in corners]
    assert drawn["throttled"] == [[1, 2.3]]
