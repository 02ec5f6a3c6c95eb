"""What Headroom itself costs: its alarms, its reads of metrics, and its functions."""

from dataclasses import dataclass

from headroom.simulation.clock import HOUR
from headroom.simulation.outcome import Outcome
from headroom.simulation.pricing import HOURS_A_MONTH, OwnPrices

#: The history: consumed and throttled, when a container of the two functions that read every
#: target begins. Later it follows from the minutes that the container keeps. Lambda keeps a busy
#: container for some hours: four are assumed.
PAST_READS_AN_HOUR = 1
#: Assumptions about Lambda: how often and how long each function runs, and its memory in
#: .chalice/config.json.
FIXED_RUNS_AN_HOUR = {"follow_up": 60, "sweep": 12, "scale_down": 1}
RUN_SECONDS = {"follow_up": 0.1, "sweep": 2.0, "scale_down": 5.0, "on_alarm": 0.5}
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
    "reads them, and 4 in four hours for the past days; Lambda: follow_up (1,769 MB) each minute "
    "at 0.1 s, sweep (1 GB) every 5 minutes at 2 s, scale_down (1 GB) hourly at 5 s, on_alarm "
    "(512 MB) at 0.5 s a change; a line of 1,000 bytes in the log for each decision; "
    "DescribeAlarms and SNS within the free tier."
)


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
    gb_seconds = sum(runs[name] * RUN_SECONDS[name] * MEMORY_GB[name] for name in runs)
    return OwnCosts(
        alarms=alarms * prices.alarm_month,
        metric_reads=metric_reads_month(outcome, minutes, prices),
        lambda_=sum(runs.values()) * prices.invocation + gb_seconds * prices.gb_second,
        logs=lines * LINE_GB * prices.log_gb,
    )


def metric_reads_month(outcome: Outcome, minutes: int, prices: OwnPrices) -> float:
    """Return what Headroom's reads of one target's metrics cost a month, in USD."""
    months = minutes / HOUR / HOURS_A_MONTH
    return (outcome.metrics / months + PAST_READS_AN_HOUR * HOURS_A_MONTH) * prices.metric_read
