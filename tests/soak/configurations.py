"""Random configurations and demands, on which the replay and the deployed app must agree."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from chalicelib.model import Target
from headroom.simulation.clock import START
from headroom.simulation.dynamodb_rules import Conditions
from tests.soak.history import Load
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES
from tests.support.equivalence import compare

TARGETS = (READS, WRITES, INDEX_READS, INDEX_WRITES)


@dataclass(frozen=True)
class Case:
    """One table, what is configured for it, and what comes to it. Loads: reads, writes, then the
    index's. hot: requests a second for a hot key of the reads. past: what the weeks before were
    like, if the mode is the cheapest; else ""."""

    seed: int
    hour: int
    minutes: int
    settings: Mapping[str, str]
    conditions: Conditions
    loads: tuple[Load, ...]
    hot: int
    past: str = ""

    @property
    def config(self) -> str:
        lines = [f"{name} = {value}" for name, value in self.settings.items()]
        mode = ['mode = "cheapest"'] if self.past else []
        return "\n".join(["[defaults]", *lines, "[[tables]]", 'name = "orders"', *mode])

    @property
    def start(self) -> Any:
        return START + timedelta(hours=self.hour)

    def demand(self) -> dict[Target, list[float]]:
        """Return the units per second of each minute, by target."""
        rng = random.Random(self.seed)
        pairs = zip(TARGETS, self.loads, strict=False)
        return {target: load.rates(self.minutes, rng) for target, load in pairs}

    def hot_keys(self) -> dict[Target, list[float]]:
        """Return the requests a second of each minute that a hot key throttles, by target."""
        quiet = self.minutes // 3
        return {READS: [0.0] * quiet + [float(self.hot)] * quiet} if self.hot else {}

    def weeks(self) -> dict[Target, list[float | None]]:
        """Return the five-minute means of two weeks, but for the newest three hours, by target."""
        hour = {"spiky": [2.0] * 11 + [200.0], "steady": [50.0] * 12}.get(self.past)
        week = [*(hour * (24 * 14 - 3)), *[None] * 36] if hour else []
        return {target: week for target in self.demand() if week}

    def compare(self) -> None:
        """Compare replay and app. Raises AssertionError where they differ."""
        compare(
            self.demand(), self.config, self.conditions, self.start, self.hot_keys(), self.weeks()
        )


def _some(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


#: What may be configured, and to what. Absent settings keep their defaults.
SETTINGS: Mapping[str, st.SearchStrategy[str]] = {
    "min_units": _some("5", "60"),
    "max_units": _some("150", "4000"),
    "increase_percent": _some("10", "60"),
    "increase_units": _some("25"),
    "increase_steps": _some("[{ at = 75, percent = 20 }, { at = 110, percent = 80 }]"),
    "throttled_provisioned_steps": _some("[{ at = 1, percent = 20 }, { at = 50, percent = 100 }]"),
    "throttled_events": _some("60"),
    "ignore_throttled_events": _some("120"),
    "delay_minutes": _some("2"),
    "alarm_percent": _some("70", "90"),
    "alarm_period_seconds": _some("300"),
    "alarm_evaluation_periods": _some("2"),
    "lower_percent": _some("40"),
    "decrease_checks": _some("3"),
    "peak_minutes": _some("30", "120"),
    "min_decrease_percent": _some("5", "40"),
    "min_decrease_units": _some("10"),
    "decrease_spacing_minutes": _some("30"),
    "decrease_together": _some("true"),
    "scale_down_at_zero": _some("false"),
    "scale_down": _some("false"),
    "reserve_decreases": _some('[{ at = "23:30" }]', '[{ at = "13:00", count = 2 }]'),
    "lower_at": _some('[{ at = "rate(2 hours)" }]'),
    "hold_after_outage_minutes": _some("20"),
    "burst_trust_percent": _some("0", "50"),
    "burst_keep_percent": _some("60"),
    "throttle_price": _some("5.0", "200.0"),
    "insurance_percent": _some("0", "50"),
    "min_change_percent": _some("0", "30"),
    "windows": _some(
        '[{ rule = "floor", between = "23:10-00:40,13:10-13:50", min_units = 300 }]',
        '[{ rule = "never_down", between = "22:00-23:00,12:00-13:00" }]',
        '[{ rule = "hold", outside = "13:00-14:00" }]',
    ),
}


#: Settings that `check` refuses beside the mode "cheapest".
NO_MODE = frozenset({"scale_down"})


@st.composite
def cases(draw: st.DrawFn, max_minutes: int = 180) -> Case:
    """Draw a case of 1 to 3 hours, around midday or around midnight."""
    minutes = draw(st.integers(60, max_minutes))
    names = draw(st.lists(st.sampled_from(sorted(SETTINGS)), unique=True, max_size=6))
    loads = st.builds(
        Load,
        _some("steady", "step up", "step down", "burst", "wave", "idle"),
        st.integers(1, 300),
        st.integers(0, minutes),
    )
    may_be_switched = NO_MODE.isdisjoint(names)
    return Case(
        seed=draw(st.integers(0, 9_999)),
        hour=draw(st.sampled_from((12, 22))),
        minutes=minutes,
        settings={
            "strategy": draw(_some('"adaptive"', '"percent"')),
            **{name: draw(SETTINGS[name]) for name in names},
        },
        conditions=draw(
            st.builds(
                Conditions,
                burst_seconds=st.sampled_from((0, 150, 300)),
                metric_delay_minutes=st.integers(1, 3),
                update_minutes=st.integers(1, 3),
            )
        ),
        loads=tuple(draw(loads) for _ in range(draw(st.sampled_from((2, 4))))),
        hot=draw(st.sampled_from((0, 0, 2, 200))),
        past=draw(st.sampled_from(("", "spiky", "steady"))) if may_be_switched else "",
    )
