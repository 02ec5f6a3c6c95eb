"""What a replay carries on is what the whole series give, to the last digit."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.observation import Observation
from chalicelib.core.strategies import adaptive, shape
from chalicelib.core.strategies.onsets import DemandRecord, summarize
from chalicelib.model import Metrics, RecentDemand, Series
from headroom.simulation.carried import (
    CarriedDemand,
    Load,
    SlidingHighest,
    SlidingNoise,
    Window,
)
from tests.support.builders import MINUTE, NOON, READS, policy, throughput

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

START = NOON
RECENT = 180


@dataclass
class History:
    """Minutes in which demand and capacity change by chance. late: minutes until a change holds."""

    seed: int
    late: int
    delay: int

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.load, self.units = Load(), 100
        self.pending: tuple[int, int] | None = None
        self.carried = CarriedDemand(self.load)
        self.minutes: list[int] = []
        self.changed_at: datetime | None = None

    def serve(self, minute: int) -> None:
        # for hours the bucket is neither full nor empty
        is_calm = minute // 300 % 2
        used = self.rng.gauss(self.units if is_calm else 98, 2 if is_calm else 40)
        lost = 25.5 if not is_calm and self.rng.random() < 0.005 else None
        self.minutes.append(self.units)
        used = max(0.0, used)
        self.load.consumed.append(used)
        self.load.throttled.append(lost)
        self.load.known.append(used + (lost or 0.0))
        if minute % 5 == 4:
            self.load.lowest.append(float(min(self.minutes[-5:])))

    def change(self, minute: int) -> None:
        if self.pending and self.pending[0] <= minute:
            self.units, self.pending = self.pending[1], None
        elif not self.pending and self.rng.random() < 0.02:
            self.pending = (minute + self.late, self.rng.randint(40, 300))
            self.changed_at = START + minute * MINUTE

    def observation(self, first: int, end: int) -> Observation:
        lead, start = (None,) * max(0, -first), START + first * MINUTE
        minutes = slice(max(0, first), end)
        lowest = self.load.lowest[max(0, first // 5) : end // 5]
        metrics = Metrics(
            Series(start, 60, (*lead, *self.load.consumed[minutes])),
            Series(start, 60, (*lead, *self.load.throttled[minutes])),
            Series(start, 300, (*lead[::5], *lowest) if lowest else ()),
        )
        seen = throughput(self.units, last_increase_at=self.changed_at)
        return Observation(READS, self.units, seen, policy(), metrics)

    def both(self, minute: int) -> tuple[object, object]:
        """Return what is carried on, and what the whole series gives."""
        first, end = minute - RECENT - minute % 5, max(0, minute - self.delay)
        since = adaptive.applied_after(self.changed_at, START) if self.changed_at else 0
        found = self.carried.recent(Window(first, end, self.units, since))
        # the facts are made where they are used: in another order each time
        names = list(RecentDemand.__struct_fields__)
        self.rng.shuffle(names)
        carried = RecentDemand(**{name: getattr(found, name) for name in names})
        return carried, adaptive.recent_demand(self.observation(first, end))


@pytest.mark.slow
@pytest.mark.parametrize(("late", "delay"), [(1, 1), (3, 3), (7, 0)])
@pytest.mark.parametrize("seed", [1, 2])
def test_at_every_check_the_result_is_that_of_the_whole_series(
    seed: int, late: int, delay: int
) -> None:
    history = History(seed, late, delay)
    differences = []
    for minute in range(1200):
        history.change(minute)
        if minute and not history.pending and history.rng.random() < 0.4:
            carried, whole = history.both(minute)
            differences += [(minute, carried, whole)] if carried != whole else []
        history.serve(minute)
    assert differences == []


@st.composite
def windows_that_move_on(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Draw where windows begin and end: neither ever goes back."""
    ends = draw(st.lists(st.integers(0, 40), min_size=1, max_size=12).map(sorted))
    firsts = draw(st.lists(st.integers(0, 40), min_size=len(ends), max_size=len(ends)).map(sorted))
    return [(min(first, end), end) for first, end in zip(firsts, ends, strict=True)]


@pytest.mark.slow
@given(st.lists(st.floats(0, 100), min_size=40, max_size=40), windows_that_move_on())
def test_noise_and_highest_of_a_moving_window_are_those_of_its_values(
    values: list[float], windows: list[tuple[int, int]]
) -> None:
    noise, highest = SlidingNoise(values.__getitem__), SlidingHighest(values)
    for first, end in windows:
        assert noise.between(first, end) == shape.noise_of(shape.steps(values[first:end]))
        assert highest.between(first, end) == max(values[first:end], default=0.0)


def test_a_summary_that_grew_is_that_of_its_newest_values() -> None:
    rng = random.Random(1)
    for _ in range(100):
        values = rng.choices([None, 1.0, 2.0, 3.5, 7.0], [1, 9, 9, 9, 9], k=rng.randint(20, 90))
        first_part, most = rng.randint(0, 90), rng.choice([12, 24, 60])
        record = DemandRecord(values[:first_part])
        record.extend(values[first_part:])
        newest = values[-most:]
        series = Series(NOON - timedelta(minutes=5) * len(newest), 300, tuple(newest))
        assert record.summary(NOON, most) == summarize(series), (values, first_part, most)
