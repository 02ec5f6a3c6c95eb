"""The strategy `adaptive`: follow the demand, use the trusted part of the burst bucket, and keep
capacity ready for sudden onsets.

docs/policy.md explains it with a worked example. Amounts are units per second. The bucket is a
share of the 300 seconds of capacity that DynamoDB keeps (Developer Guide, "burst capacity", read
2026-10). Constants that are not settings were chosen by `headroom bench` on real traffic.
"""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct, structs

from chalicelib.config.policy import Policy
from chalicelib.core.budget import DECREASE_SPACING, FREE_DECREASES_PER_DAY, decreases_today
from chalicelib.core.observation import Observation
from chalicelib.core.prices import alarm_ok_units, is_worth_checking
from chalicelib.core.strategies import shape
from chalicelib.core.strategies.demand import (
    APPLIES_AFTER,
    FRESH_TO_LOWER,
    Recommendation,
    is_fresh,
)
from chalicelib.core.strategies.onsets import HOUR_BINS, ONSET
from chalicelib.core.throttling import lost_units
from chalicelib.model import (
    DemandHistory,
    Metrics,
    Number,
    Reason,
    RecentDemand,
    RecentFacts,
    Series,
)

BURST_SECONDS = 300
MINUTE = 60
FIVE_MINUTES = timedelta(minutes=5)

#: If the newest minute is above the five-minute mean by this many times the noise, it is a jump.
JUMP_NOISES = 2.5
#: A raise expects three more minutes of the present growth. The metric, the decision and the update
#: take that long.
GROWTH_MINUTES = 3.0
#: A jump is expected to continue by the first share of its height, up to the highest known demand.
#: If the demand is a record, the second share applies.
JUMP_SHARE, RECORD_SHARE = 0.3, 0.5
#: A raise adds the noise times this factor, so that the next minute does not need another raise.
RAISE_NOISES = 0.5
#: On a rise, this share of the trusted part of the bucket is used. A raise comes in any case then,
#: so that to wait for it saves little. The bucket may be smaller than the Developer Guide says.
RISE_TRUST = 0.8
#: The newest metric usually began so many minutes ago. On a rise, each minute more counts twice:
#: demand has risen since, and the next raise will be decided as late.
USUAL_LAG, LATE_MINUTES = 2.0, 2.0
#: A raise in quiet times ends above the need by this share of min_change_percent. So a few raises
#: follow a slope: each begins above the demand, and the bucket serves what is missing at its end.
SPARE_SHARE = 3 / 8
#: Any other raise is at least this share of min_change_percent.
LEAST_SHARE = 1 / 2
#: On a fall a level is that of so many minutes ahead: the middle of the hour until the next
#: decrease.
AHEAD_MINUTES = 30.0
#: No more than this share of the bucket is planned to be used on a fall.
AHEAD_BUCKET = 0.25
#: A bucket that is too full or too empty is corrected over half an hour.
REFILL_MINUTES = 30.0
#: A decrease stays above the mean by the noise or the swing times this factor: they alone must not
#: undo it.
LOW_NOISES = 1.0
#: If demand fell in the newest minutes by more than this share of the saving, it is still falling.
#: Then waiting saves more.
FALLING_SHARE = 0.3
#: After a raise, wait before lowering: the metrics must show its effect first.
SETTLE = timedelta(minutes=5)
#: The least saving for one of the day's four free decreases within an hour of the last one. They
#: are kept for the time after a spike.
LEAST_FREE_SAVING_PERCENT = 20
#: A decrease needs this many known minutes in the last hour, and no gap in the newest fifteen: an
#: unknown minute is not zero.
KNOWN_MINUTES = 45
#: How full the bucket is expected to be at an onset.
INSURED_BUCKET = 0.5


class Load(Struct, frozen=True):
    """The load in the newest minutes. Demand is consumed and throttled units together.

    newest, mean5, mean15: the last known minute, and means over the last known 5 and 15. noise: the
    usual difference between one minute and the next. growth: units per second that each minute
    adds, 0 unless the last two both rose. jump: how far the newest is above the others, 0 if
    that is only noise. fast: the demand that a raise must serve. throttled5: the sum over the last
    5 minutes. lag_minutes: from the newest minute's start until now. highest: the highest minute of
    the last hours without the last ten minutes. fall: units per second that each minute takes away,
    0 unless it falls for three quarters of an hour. swing: the usual difference between one
    five-minute mean and the next. rise: units per second that each minute adds, 0 unless it rises
    for a quarter of an hour. after_batch: the highest of the minutes since a batch ended, infinite
    unless one has just ended.
    """

    newest: float
    mean5: float
    mean15: float
    noise: float
    growth: float
    jump: float
    fast: float
    throttled5: float
    lag_minutes: float
    highest: float
    fall: float = 0.0
    swing: float = 0.0
    rise: float = 0.0
    after_batch: float = math.inf


def scale_up(observation: Observation, now: datetime, urgent: bool = False) -> Recommendation:
    """Return the highest of these levels, if it is above the provisioned units.

    * The demand, if the trusted part of the bucket would be empty before a later raise applies.
    * The level that keeps the bucket full in quiet times.
    * The capacity for onsets like those that past days had at this time.

    urgent: an alarm started the check. Then quiet times are left to the sweep: a small raise would
    make a big one wait until the table is updated.
    """
    policy, recent = observation.policy, recent_demand(observation)
    load = load_of(observation, now, recent)
    if load is None:
        return Recommendation(observation.provisioned, Reason.NO_DATA)
    units, left = observation.provisioned, recent.burst_left
    needed = needed_units(load, observation.metrics.history)
    if load.throttled5 > 0 and load.rise > 0:
        # the bucket is empty: at the demand itself it would stay so, and the next minute throttle
        needed += max(0.0, _refill(policy, left, units))
    mean = min(load.mean15, _calm_limit(load))
    quiet = mean - _ahead(load, left) + _refill(policy, left, units)
    insured = _insured_at(observation, units, load, now)
    numbers = _numbers(load, left) | {
        "needed_units": needed,
        "quiet_units": quiet,
        "insured_units": insured,
    }
    calls = [(float(units), Reason.BURST_CARRIES if load.newest > units else Reason.AT_DESIRED)]
    if runs_short(load, policy, left, units):
        calls.append((needed, Reason.THROTTLED if load.throttled5 > 0 else Reason.UTILIZATION_HIGH))
    if not urgent:
        alarm_ok = alarm_ok_units(mean, policy.alarm_percent, observation.target.dimension)
        calls += [
            (_more(level, policy, SPARE_SHARE), Reason.UTILIZATION_HIGH)
            for level in (quiet, alarm_ok)
            if level > _more(units, policy)
        ]
    if insured > _more(units, policy, LEAST_SHARE):
        calls.append((insured, Reason.PATTERN_AHEAD))
    level, reason = max(calls, key=lambda call: call[0])
    if level <= units:
        return Recommendation(units, reason, numbers)
    return Recommendation(max(math.ceil(level), _least_raise(observation)), reason, numbers)


def scale_down(observation: Observation, now: datetime) -> Recommendation:
    """Return the level that the coming hour needs, if that is worth one of the day's decreases."""
    policy, recent = observation.policy, recent_demand(observation)
    load, units = load_of(observation, now, recent), observation.provisioned
    consumed = observation.metrics.consumed
    minutes_known = len([value for value in consumed.values[-60:] if value is not None])
    has_gaps = minutes_known < KNOWN_MINUTES or None in consumed.values[-15:]
    if load is None or not is_fresh(consumed, now, FRESH_TO_LOWER) or has_gaps:
        return Recommendation(units, Reason.NO_DATA, {"minutes_known": minutes_known})
    left = recent.burst_left
    mean = min(load.mean5, load.after_batch)
    alarm_ok = alarm_ok_units(mean, policy.alarm_percent, observation.target.dimension)
    least = math.ceil(max(low_units(load, policy, left, units), alarm_ok, policy.min_units))
    insured = _insured_at(observation, least, load, now)
    low = max(least, math.ceil(insured))
    numbers = _numbers(load, left) | {"insured_units": insured, "low_units": low}
    if load.after_batch < math.inf:
        numbers["after_batch_units"] = load.after_batch
    raised_at, saving = observation.throughput.last_increase_at, units - low
    fall = load.mean5 - load.newest - 2 * load.noise
    obstacles = (
        (load.throttled5 > 0, Reason.THROTTLED_RECENTLY),
        (saving <= 0, Reason.AT_DESIRED),
        (raised_at is not None and now - raised_at < SETTLE, Reason.RAISED_RECENTLY),
        # at fixed times there is no later one to wait for
        (fall > FALLING_SHARE * saving and not policy.lower_at, Reason.STILL_FALLING),
    )
    obstacle = next((reason for applies, reason in obstacles if applies), None)
    if obstacle:
        return Recommendation(units, obstacle, numbers)
    is_worth_it = saving * 100 > least_saving_percent(observation, now) * units
    reason = Reason.UTILIZATION_LOW if is_worth_it else Reason.NOT_WORTH_IT
    return Recommendation(low, reason, numbers)


def _least_raise(observation: Observation) -> int:
    """Return the least increase.

    That of the configuration applies once to the same datapoints: those before the last increase do
    not count again.
    """
    policy, consumed = observation.policy, observation.metrics.consumed
    units, raised_at = observation.provisioned, observation.throughput.last_increase_at
    calm = math.ceil(_more(units, policy, LEAST_SHARE))
    if raised_at is not None and consumed.end <= raised_at:
        return calm
    percent = math.ceil(units * (100 + policy.increase_percent) / 100)
    return max(percent, calm, units + policy.increase_units)


def _more(units: float, policy: Policy, share: float = 1.0) -> float:
    """Return units and a share of min_change_percent on top."""
    return units * (100 + share * policy.min_change_percent) / 100


def recent_demand(observation: Observation) -> RecentFacts:
    """Return what the series of the last hours show."""
    metrics = observation.metrics
    if metrics.recent is not None:
        return metrics.recent
    known = _demand(metrics.consumed, lost_units(metrics))
    return RecentDemand(
        known=known,
        noise=shape.noise_of(shape.steps(known[-shape.NOISE_MINUTES :])),
        swing=shape.swing(known),
        highest=shape.highest(known),
        burst_left=burst_left(observation),
    )


def load_of(
    observation: Observation, now: datetime, recent: RecentFacts | None = None
) -> Load | None:
    """Return the load in the newest minutes, or None if nothing is known of the last ten
    minutes."""
    consumed = observation.metrics.consumed
    if not is_fresh(consumed, now):
        return None
    recent = recent or recent_demand(observation)
    demand, noise = recent.known, recent.noise
    if not demand:
        return None
    newest5, newest = demand[-5:], demand[-1]
    mean5 = shape.mean(newest5)
    jumps = newest > mean5 + JUMP_NOISES * noise
    before = shape.mean(newest5[:-1]) if len(newest5) > 1 else mean5
    end = consumed.end
    return Load(
        newest=newest,
        mean5=mean5,
        mean15=shape.mean(demand[-15:]),
        noise=noise,
        growth=shape.growth(demand[-3:]),
        jump=newest - before if jumps else 0.0,
        fast=newest if jumps else mean5,
        throttled5=_lost(observation.metrics, end - FIVE_MINUTES),
        lag_minutes=(now - end).total_seconds() / MINUTE + 1,
        highest=recent.highest,
        fall=shape.fall(demand),
        swing=recent.swing,
        rise=shape.rise(demand, noise),
        after_batch=shape.after_batch(demand),
    )


def _lost(metrics: Metrics, since: datetime) -> float:
    """Return the sum of the units that throttled requests would have used since a time."""
    return sum(lost_units(metrics).since(since).known()) if metrics.throttled.values else 0


def burst_left(observation: Observation) -> float:
    """Return the share of the burst bucket that is left, calculated minute by minute from capacity
    and consumption.

    It begins half full; three hours later this hardly matters. A throttled minute shows that it is
    empty.
    """
    consumed = observation.metrics.consumed
    lost = _by_minute(observation.metrics.throttled, consumed)
    half = 0.5 * BURST_SECONDS * observation.provisioned
    left = carried_on(half, 0.0, units_by_minute(observation), consumed.values, lost)
    return share_left(left, observation.provisioned)


def share_left(left: float, units: int) -> float:
    """Return the content of the bucket, in unit-seconds, as a share of these units' bucket."""
    return min(left / (BURST_SECONDS * units), 1.0)


def carried_on(
    left: float,
    held: float,
    units_by_minute: Iterable[float],
    consumed: Iterable[float | None],
    throttled: Iterable[float | None],
) -> float:
    """Return the content of the burst bucket after some minutes, in unit-seconds.

    left, held: the content and the units before them. No less content before ever gives more
    content after.
    """
    for units, used, lost in zip(units_by_minute, consumed, throttled, strict=True):
        full = BURST_SECONDS * units
        if units < held:
            left = min(left, full)
        held = units
        if used is None:
            continue
        left += (units - used) * MINUTE
        if lost or left < 0.0:
            left = 0.0
        elif left > full:
            left = full
    return left


def needed_units(load: Load, history: DemandHistory) -> float:
    """Return the level to raise to: the demand, its growth until the raise applies, and the
    expected continuation of a jump."""
    highest = max(history.highest, load.highest)
    grown = load.fast + GROWTH_MINUTES * load.growth
    grown = (
        grown + RECORD_SHARE * load.jump
        if load.fast > highest
        else min(grown + JUMP_SHARE * load.jump, highest)
    )
    if load.jump > 0 and load.newest > ONSET * (load.newest - load.jump):
        grown = max(grown, history.typical_burst)
    return grown + RAISE_NOISES * load.noise + _risen(load)


def _risen(load: Load) -> float:
    """Return what a rise adds because the metrics are later than usual."""
    return LATE_MINUTES * max(0.0, load.lag_minutes - USUAL_LAG) * load.rise


def runs_short(load: Load, policy: Policy, left: float, units: int) -> bool:
    """Tell whether the demand would use more of the bucket than is trusted, until a later raise can
    apply.

    The minutes are those without metrics yet, one for the update, and one until the next check.
    """
    minutes = load.lag_minutes + 2
    demand = (load.fast + _risen(load)) * minutes + load.growth * minutes * (minutes + 1) / 2
    trust = policy.burst_trust_percent / 100 * (RISE_TRUST if load.rise > 0 else 1.0)
    trusted = max(0.0, left - 1 + trust)
    return (demand - units * minutes) * MINUTE > trusted * BURST_SECONDS * units


def surely_keeps(observation: Observation, now: datetime, urgent: bool) -> bool:
    """Tell whether a check surely raises nothing; False where only `scale_up` can tell.

    The load is taken to be as high and as steep as it may be with any noise. So neither the noise
    nor the swing need be known. Most checks end here.
    """
    policy, units = observation.policy, observation.provisioned
    consumed = observation.metrics.consumed
    if not is_fresh(consumed, now):
        return False
    recent = recent_demand(observation)
    demand = recent.known
    if not demand:
        return False
    newest, mean5 = demand[-1], shape.mean(demand[-5:])
    lag_minutes = (now - consumed.end).total_seconds() / MINUTE + 1
    highest = Load(
        newest=newest,
        mean5=mean5,
        mean15=shape.mean(demand[-15:]),
        noise=0.0,
        growth=shape.growth(demand[-3:]),
        jump=0.0,
        fast=max(newest, mean5),
        throttled5=0.0,
        lag_minutes=lag_minutes,
        highest=0.0,
        rise=shape.rise(demand, 0.0),
    )
    left, insured = recent.burst_left, _insured_at(observation, units, highest, now)
    if runs_short(highest, policy, left, units) or insured > _more(units, policy, LEAST_SHARE):
        return False
    if urgent:
        return True
    quiet = highest.mean15 + _refill(policy, left, units)
    alarm_ok = alarm_ok_units(highest.mean15, policy.alarm_percent, observation.target.dimension)
    return max(quiet, alarm_ok) <= _more(units, policy)


def low_units(load: Load, policy: Policy, left: float, units: int) -> float:
    """Return the level to lower to: the mean, some noise, and the units that fill the bucket to
    burst_keep_percent. On a fall it is the mean some minutes ahead."""
    quiet = min(max(load.mean5, min(load.mean15, _calm_limit(load))), load.after_batch)
    left_then = min(1.0, left * units / max(quiet, 1.0))
    noise = LOW_NOISES * max(load.noise, load.swing)
    return quiet + _refill(policy, left_then, quiet) + noise - _ahead(load, left)


def _calm_limit(load: Load) -> float:
    """Return the highest 15-minute mean that differs from the 5-minute mean by noise alone."""
    return load.mean5 + JUMP_NOISES * load.noise / math.sqrt(5)


def _ahead(load: Load, left: float) -> float:
    """Return how far a level may be below the demand because the demand falls.

    Demand that falls by `fall` each minute is below a level that is x lower after x / fall minutes.
    Until then the bucket serves x² / (2 fall) minutes of units: at most a share of what it has.
    """
    bucket = AHEAD_BUCKET * left * BURST_SECONDS / MINUTE * load.mean15
    return min(AHEAD_MINUTES * load.fall, math.sqrt(2 * load.fall * bucket))


def _insured_at(observation: Observation, units: int, load: Load, now: datetime) -> float:
    """Return the insurance of a target that has these units.

    If no sweep would read its metrics, only the hourly pass sees it: then the whole hour counts.
    """
    policy, history = observation.policy, observation.metrics.history
    there = structs.replace(observation, provisioned=units)
    slots = 1 if is_worth_checking(there, now) else HOUR_BINS
    return insured_units(history, policy, load.lag_minutes, now, slots)


def insured_units(
    history: DemandHistory,
    policy: Policy,
    lag_minutes: float,
    now: datetime,
    slots: int = 1,
) -> float:
    """Return the capacity for sudden onsets at which an hour of capacity costs as much as the
    throttling that it prevents.

    This is the newsvendor rule, applied to similar hours and to the same minutes of past days. It
    covers every onset except the share that costs more to cover than to throttle.

    During an onset of height h only the bucket helps, for `lag + 1` minutes. So a level L with a
    half-full bucket serves h = L x (minutes + bucket) / minutes.

    slots: how many quarters of an hour count, each five minutes after the one before.
    """
    if history.end is None:
        return 0.0
    lost = MINUTE * (lag_minutes + 1)
    covered = lost + BURST_SECONDS * INSURED_BUCKET
    share = 1 - 3600 / (policy.throttle_price * covered)
    if share <= 0:
        return 0.0  # throttling is cheaper than any capacity that would prevent it
    slot = int((now - history.end).total_seconds() + MINUTE) // 300
    onset = _quantile(history.hourly, share)
    for one in history.daily[slot : slot + slots]:
        if len(one) > 1:
            onset = max(onset, _quantile(one, share))
    onset = max(onset, *history.weekly[slot : slot + slots], 0.0)
    return onset * lost / covered * policy.insurance_percent / 100


def least_saving_percent(observation: Observation, now: datetime) -> int:
    """Return the least saving, in percent of the units, that a decrease now must bring."""
    last = observation.throughput.last_decrease_at
    is_free = (
        last is not None
        and now - last < DECREASE_SPACING
        and decreases_today(observation.throughput, now) < FREE_DECREASES_PER_DAY
    )
    least = observation.policy.min_change_percent
    return max(least, LEAST_FREE_SAVING_PERCENT) if is_free else least


def _refill(policy: Policy, left: float, units: float) -> float:
    """Return how many units more (or fewer) fill the bucket to burst_keep_percent within
    REFILL_MINUTES."""
    return (
        (policy.burst_keep_percent / 100 - left) * BURST_SECONDS * units / (MINUTE * REFILL_MINUTES)
    )


def _demand(consumed: Series, throttled: Series) -> list[float]:
    if not throttled.values:
        return consumed.known()
    pairs = zip(consumed.values, _by_minute(throttled, consumed), strict=True)
    return [used + (lost or 0.0) for used, lost in pairs if used is not None]


def _by_minute(series: Series, other: Series) -> tuple[float | None, ...]:
    """Return a series' values with the length of another one that has the same start.

    A throttle metric without a datapoint means that nothing was throttled.
    """
    missing = len(other.values) - len(series.values)
    return series.values[: len(other.values)] + (None,) * max(0, missing)


def units_by_minute(observation: Observation) -> list[float]:
    """Return the provisioned units in each minute of the consumed series.

    Since the last change they are known. Before it they are the minimum of each five minutes.
    """
    consumed, provisioned = observation.metrics.consumed, observation.metrics.provisioned.values
    changed_at = observation.throughput.last_change_at
    size = len(consumed.values)
    if changed_at is None or not provisioned:
        return [float(observation.provisioned)] * size
    since = min(applied_after(changed_at, consumed.start), size)
    least = [float(observation.provisioned if units is None else units) for units in provisioned]
    before = [units for units in least for _ in range(5)][:since]
    before += [least[-1]] * (since - len(before))
    return before + [float(observation.provisioned)] * (size - since)


def applied_after(changed_at: datetime, start: datetime) -> int:
    """Return the first minute after `start` in which a change of the units has surely applied."""
    seconds = (changed_at + APPLIES_AFTER - start).total_seconds()
    return max(math.ceil(seconds / MINUTE), 0)


def _quantile(sample: tuple[float, ...], share: float) -> float:
    """Return the smallest value that at least `share` of a sorted sample does not exceed (0 of
    none)."""
    return sample[max(0, math.ceil(share * len(sample)) - 1)] if sample else 0.0


def _numbers(load: Load, left: float) -> dict[str, Number]:
    return {
        "newest_units": load.newest,
        "mean_5_minutes": load.mean5,
        "noise_units": load.noise,
        "growth_units": load.growth,
        "rise_units": load.rise,
        "fall_units": load.fall,
        "swing_units": load.swing,
        "throttled_units": load.throttled5,
        "burst_left_percent": 100 * left,
    }
