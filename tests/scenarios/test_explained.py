"""`headroom explain` names what throttles a table, what holds it, and an alarm that cannot call."""

from collections.abc import Callable
from pathlib import Path

import pytest

from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.command_line import RunCommand, write_file
from tests.support.scenes import orders, pass_minutes, rules

ADAPTIVE = {"strategy": "adaptive"}


def throttle_a_key(region: Region) -> None:
    pass_minutes(region, 65, {READS: 70.0}, hot={READS: 1.0})


def throttle_without_a_cause(region: Region) -> None:
    pass_minutes(region, 15, {READS: 40.0}, throttled={READS: 1.0})


def lose_the_callers(region: Region) -> None:
    pass_minutes(region, 130, {READS: 60.0})
    pass_minutes(region, 10, {READS: 0.0})


def switch_the_alarm_off(region: Region) -> None:
    pass_minutes(region, 5, {READS: 60.0})
    region.cloudwatch.alarms["headroom-orders:read"].fields["ActionsEnabled"] = False


def take_the_actions_away(region: Region) -> None:
    pass_minutes(region, 5, {READS: 60.0})
    region.cloudwatch.alarms["headroom-orders:read"].fields["AlarmActions"] = []


def give_an_unknown_field(region: Region) -> None:
    pass_minutes(region, 5, {READS: 60.0})
    region.cloudwatch.alarms["headroom-orders:read"].fields["QuietHours"] = {"From": "22:00"}


def scene(happens: Callable[[Region], None], *expected: str, **settings: object) -> object:
    return pytest.param(
        happens, expected, marks=pytest.mark.scene(orders, rules(**settings)), id=happens.__name__
    )


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        scene(throttle_a_key, "a hot key is throttled by", "(HotKey)", "hot key requests 540"),
        scene(throttle_without_a_cause, "unexplained requests 540"),
        scene(
            lose_the_callers,
            "demand fell at once, as in an outage of its callers (DemandGone): demand fell to "
            "almost nothing at 14:10, kept until 14:30 UTC",
            hold_after_outage_minutes=20,
            **ADAPTIVE,
        ),
        scene(
            switch_the_alarm_off,
            "headroom-orders:read: passed over: its actions are switched off",
            "(AlarmActionsOff)",
        ),
        scene(take_the_actions_away, "it has lost its actions; the next sweep gives"),
        scene(give_an_unknown_field, "has QuietHours, which this version", "(AlarmFieldUnknown)"),
    ],
)
def test_explain_shows(
    region: Region,
    run: RunCommand,
    tmp_path: Path,
    happens: Callable[[Region], None],
    expected: tuple[str, ...],
) -> None:
    happens(region)
    config = write_file(tmp_path, region.functions.config)
    output = run("explain", "orders", "--config", config, "-v").output
    assert [text for text in expected if text not in output] == [], output
