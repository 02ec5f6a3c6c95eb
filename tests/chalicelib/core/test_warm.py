"""Warm throughput: what an explanation says of a raise, and which floors begin earlier."""

import pytest

from chalicelib.core import warm
from chalicelib.model import Decision, Reason
from tests.support.builders import READS


@pytest.mark.parametrize(
    ("desired", "numbers", "text"),
    [
        (800, {"warm_units": 12000}, "instant: within the warm throughput of 12,000 units"),
        (800, {"warm_units": 799}, "may take minutes: above the warm throughput of 799 units"),
        (800, {}, ""),
    ],
)
def test_what_is_said_of_a_raise(desired: int, numbers: dict[str, int], text: str) -> None:
    assert warm.pace(Decision(READS, 100, desired, Reason.BELOW_MINIMUM, numbers)) == text
