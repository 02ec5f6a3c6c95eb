"""What Headroom itself costs: its alarms, its reads of metrics, and its functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from headroom import data_file
from headroom.simulation.clock import HOUR
from headroom.simulation.outcome import Outcome
from headroom.simulation.pricing import HOURS_A_MONTH, OwnPrices

#: What bench-scale counted: headroom/scale/own_counts.py writes the file.
COUNTS = Path(__file__).with_name("own_counts.toml")
#: The functions that read the history when a container of theirs begins. Later it follows from the
#: minutes that the container keeps. Lambda keeps a busy container for some hours: four are assumed.
READING_HISTORY, CONTAINER_HOURS = 2, 4
#: How often each function runs, as app.py schedules it, and its memory in .chalice/config.json.
FIXED_RUNS_AN_HOUR = {"follow_up": 60, "sweep": 12, "scale_down": 1}
MEMORY_GB = {"follow_up": 1_769 / 1_024, "sweep": 1.0, "scale_down": 1.0, "on_alarm": 0.5}
#: A decision's line in the log has a thousand bytes. Each sweep and each hourly check writes one
#: for every target, and so does each other check that reads its metrics.
LINE_GB = 1_000 / 1e9
LINES_AN_HOUR = FIXED_RUNS_AN_HOUR["sweep"] + FIXED_RUNS_AN_HOUR["scale_down"]
#: The alarms of a target tracking policy for DynamoDB. They are there while its target is
#: suspended: the policy is kept (Application Auto Scaling User Guide, "Suspend and resume scaling",
#: read 2026-11; four alarms: Developer Guide, "DynamoDB auto scaling", read 2026-10).
POLICY_ALARMS = 4
ASSUMPTIONS = (
    "Headroom's own cost: one alarm a target, and four more for an understudy's policy; metric "
    "reads: 1 to 3 metrics each time the replay "
    "reads them, and 4 in four hours for the past days; Lambda: follow_up (1,769 MB) each minute, "
    "sweep (1 GB) every 5 minutes, scale_down (1 GB) hourly, on_alarm (512 MB) once a change, each "
    "as long as bench-scale measured in an account of so many targets; a line of 1,000 bytes in "
    "the log for each decision; DescribeAlarms and SNS within the free tier."
)


class OwnCounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What bench-scale counted in calm accounts.

    hourly_metrics, history_metrics: those that one function reads of a target, in an hour and when
    its container begins. sweep_metrics, half_hourly_metrics: those of a sweep's check, and of the
    one each half an hour. run_seconds: by function, in accounts of so many targets.
    """

    hourly_metrics: float
    history_metrics: float
    sweep_metrics: float
    half_hourly_metrics: float
    run_seconds: Mapping[str, Sequence[tuple[int, float]]]

    def seconds(self, function: str, targets: int) -> float:
        """Return how long a run takes: between two sizes on the line through them, and above all
        as many times as long as there are targets more."""
        points = self.run_seconds[function]
        first, last = points[0], points[-1]
        if targets <= first[0] or len(points) == 1 or function == "on_alarm":
            return first[1]
        if targets >= last[0]:
            return last[1] * (targets / last[0] if last[1] > first[1] else 1.0)
        after = next(i for i, (count, _) in enumerate(points) if count > targets)
        (low, low_seconds), (high, high_seconds) = points[after - 1], points[after]
        return low_seconds + (high_seconds - low_seconds) * (targets - low) / (high - low)


@cache
def counts() -> OwnCounts:
    """Return what bench-scale counted."""
    return data_file.read(COUNTS, OwnCounts)


@dataclass(frozen=True)
class OwnCosts:
    """What Headroom itself would cost a month for one target, in USD."""

    alarms: float
    metric_reads: float
    lambda_: float
    logs: float = 0.0

    @property
    def total(self) -> float:
        return self.alarms + self.metric_reads + self.lambda_ + self.logs


def own_costs(
    outcome: Outcome, minutes: int, prices: OwnPrices, targets: int, alarms: int = 1
) -> OwnCosts:
    """Return what Headroom costs a month for one of so many targets. alarms: those of this one."""
    months = minutes / HOUR / HOURS_A_MONTH
    runs = {name: count * HOURS_A_MONTH / targets for name, count in FIXED_RUNS_AN_HOUR.items()}
    runs["on_alarm"] = outcome.changes / months
    lines = LINES_AN_HOUR * HOURS_A_MONTH + outcome.metric_reads / months
    seconds = {name: counts().seconds(name, targets) for name in runs}
    gb_seconds = sum(runs[name] * seconds[name] * MEMORY_GB[name] for name in runs)
    return OwnCosts(
        alarms=alarms * prices.alarm_month,
        metric_reads=metric_reads_month(outcome, minutes, prices),
        lambda_=sum(runs.values()) * prices.invocation + gb_seconds * prices.gb_second,
        logs=lines * LINE_GB * prices.log_gb,
    )


def metric_reads_month(outcome: Outcome, minutes: int, prices: OwnPrices) -> float:
    """Return what Headroom's reads of one target's metrics cost a month, in USD."""
    months = minutes / HOUR / HOURS_A_MONTH
    return (outcome.metrics / months + history_metrics_month()) * prices.metric_read


def history_metrics_month() -> float:
    """Return how many metrics of a target are read a month for its last days."""
    return counts().history_metrics * READING_HISTORY / CONTAINER_HOURS * HOURS_A_MONTH
