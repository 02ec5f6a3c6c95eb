"""Two handlers at once: at each call of one, the other one runs from its beginning to its end."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from headroom.region.context import Call, Fault
from headroom.region.region import Region
from tests.scenarios.test_faults import lazy
from tests.support.builders import READS, WRITES
from tests.support.scenes import alarm_message, invoke, orders, pass_minutes, send


@dataclass
class Meanwhile(Fault):
    """No fault: before the `after`-th call, somebody else acts, once."""

    operation: str = ""
    code: str = ""
    act: Callable[[], object] = field(default=lambda: None)

    def applies_to(self, call: Call) -> bool:
        self.after -= 1
        if self.after == -1:
            self.act()
        return False


def run(region: Region, handler: str) -> None:
    """Run a handler. Its calls are not those of the handler that it interrupts."""
    before = len(region.calls)
    if handler == "on_alarm":
        send(region, alarm_message(region))
    else:
        invoke(region, handler)
    del region.calls[before:]


def was_interrupted(first: str, second: str, at: int) -> bool:
    """Let the second handler run before a call of the first one, and judge the alarms after it."""
    with orders() as region:
        pass_minutes(region, 65, {READS: 5.0, WRITES: 5.0})
        region.cloudwatch.alarms["headroom-orders:read"].state.value = "ALARM"
        fault = Meanwhile(after=at, act=lambda: run(region, second))
        region.faults.append(fault)
        run(region, first)
        region.faults.clear()
        pass_minutes(region, 3, {READS: 5.0, WRITES: 5.0})
        assert lazy(region) == [], f"{second} before call {at} of {first}"
        return fault.after < 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("on_alarm", "scale_down"),
        ("follow_up", "sweep"),
        ("sweep", "scale_down"),
        ("scale_down", "on_alarm"),
        ("scale_down", "sweep"),
    ],
)
def test_no_alarm_is_left_too_high_whichever_handler_comes_between(first: str, second: str) -> None:
    at = 0
    while was_interrupted(first, second, at):
        at += 1
    assert at >= 4
