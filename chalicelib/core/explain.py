"""Decisions, actions and skips in words, for the log, the dry run and the operator."""

from collections.abc import Callable, Mapping
from typing import assert_never

from chalicelib.core.healing import HealingDecision
from chalicelib.core.modes import ModeDecision
from chalicelib.model import (
    Action,
    CreateAlarm,
    Decision,
    DeleteAlarms,
    Heal,
    Number,
    Reason,
    RewriteAlarm,
    SetCapacity,
    SetMode,
    Skip,
    StandBy,
)

WHY: Mapping[Reason, str] = {
    Reason.UTILIZATION_HIGH: "consumption is at or above the alarm's level",
    Reason.THROTTLED: "requests are being throttled",
    Reason.BELOW_MINIMUM: "it is below min_units",
    Reason.PATTERN_AHEAD: "past days say that the load is about to rise",
    Reason.UTILIZATION_LOW: "the coming hour needs less",
    Reason.ABOVE_MAXIMUM: "it is above max_units",
    Reason.TOGETHER: "the other dimension is lowered, and both in one call are one decrease",
    Reason.FLEET: "the size of the fleet that it follows calls for it",
    Reason.FOLLOWS_TABLE: "its table can send it so many writes",
    Reason.AT_QUOTA: "DynamoDB's quota does not take the whole increase, so only a part is made; "
    "ask AWS for a higher quota",
    Reason.AT_DESIRED: "it fits the load",
    Reason.AT_MAX: "it is at max_units; raise max_units if the load is meant to be served",
    Reason.MONEY_CAP: "the month's budget is spent (max_usd_month), and money_cap = hold raises "
    "nothing above the measured demand",
    Reason.AT_MIN: "it is at min_units",
    Reason.BURST_CARRIES: "the burst bucket carries the peak for now",
    Reason.HOT_KEY: "a hot key is throttled by the limit of its partition, "
    "and more units would not serve it",
    Reason.EVIDENCE_SPENT: "the last increase already answered these datapoints",
    Reason.ALARM_ONLY: "its alarm is in ALARM, and CloudWatch does not give its metrics",
    Reason.NO_DATA: "there is too little recent data; unknown is not zero",
    Reason.RAISED_RECENTLY: "it was raised minutes ago, and the metrics do not show the effect yet",
    Reason.STILL_FALLING: "demand is still falling fast; "
    "the same decrease saves more a little later",
    Reason.THROTTLED_RECENTLY: "requests were throttled within the window",
    Reason.BUDGET_USED_UP: "DynamoDB allows no decrease yet",
    Reason.LOWERED_RECENTLY: "it was lowered less than decrease_spacing_minutes ago",
    Reason.NOT_WORTH_IT: "the decrease is too small to use one of the day's decreases",
    Reason.INCREASE_FIRST: "another target of the table is raised now; "
    "a decrease must not delay it",
    Reason.SCALING_OFF: "scaling in this direction is switched off in the configuration",
    Reason.TOO_FEW_CHECKS: "consumption was not low for as many periods as decrease_checks needs",
    Reason.IDLE: "nothing is consumed, and scale_down_at_zero is off",
    Reason.OTHER_NOT_LOW: "the other dimension cannot be lowered, and decrease_together needs both",
    Reason.RESERVED: "the next decrease is reserved: for a time of day, the end of a floor, "
    "or of a job",
    Reason.WINDOW: "a window of the configuration forbids the change",
    Reason.NOT_SCHEDULED: "capacity is lowered only at the times of lower_at, once each",
    Reason.PAUSED: "it is paused by an operator",
    Reason.PAUSE_UNKNOWN: "the pause tag cannot be read, so nothing is lowered",
    Reason.HISTORY_UNKNOWN: "its history cannot be read; nothing is lowered without it",
    Reason.ALARM_UNKNOWN: "its alarm has a field that this version of boto3 cannot send back; "
    "nothing is lowered while the alarm cannot follow",
    Reason.CIRCUIT_OPEN: "the circuit breaker does not allow changes",
    Reason.CIRCUIT_UNKNOWN: "the circuit breaker does not answer, so nothing is lowered",
    Reason.RAISED_BY_HAND: "it was raised by hand a short time ago",
    Reason.JOB_RUNNING: "a job that owns its capacity is running",
    Reason.DEMAND_GONE: "demand fell at once, as in an outage of its callers",
    Reason.GLOBAL_TABLE: "the writes of a global table belong to Application Auto Scaling",
    Reason.FLEET_UNKNOWN: "the fleet that it follows cannot be counted, so nothing is lowered",
    Reason.UPDATING: "the table or index is being updated; the next check decides",
    Reason.CHEAPER_ON_DEMAND: "its past weeks cost less on demand from now on",
    Reason.CHEAPER_PROVISIONED: "its past weeks cost less provisioned from now on",
    Reason.PARACHUTE: "DynamoDB's quota takes no increase, and what is throttled costs more than "
    "its requests on demand",
    Reason.CHEAPEST_MODE: "no switch saves enough now",
    Reason.SWITCHED_BY_HAND: "somebody else has given it its billing mode; "
    "the tag headroom-mode = cheapest hands it over",
    Reason.PRICE_UNKNOWN: "the price of a unit in this Region and table class is unknown: "
    "write it into [money]",
    Reason.ON_DEMAND: "it is billed on demand, so there is no capacity to set",
    Reason.GONE: "it does not exist",
    Reason.NOT_MANAGED: "no rule in the configuration matches it",
    Reason.AUTOSCALING_CONFLICT: "Application Auto Scaling manages it too; "
    "deregister one of the two",
    Reason.NOT_IN_ALARM: "the message does not announce an alarm",
    Reason.MALFORMED: "the message cannot be read",
    Reason.UNSUPPORTED_ALARM: "the alarm's kind does not measure units",
    Reason.ALARM_OFF: "the actions of its alarm are switched off, so the alarm cannot call",
    Reason.FOREIGN: "the alarm is of another account or Region",
    Reason.CHANGED_MEANWHILE: "it changed after it was read; the next check decides again",
    Reason.REFUSED: "DynamoDB refused",
    Reason.FAILED: "a call to AWS failed; the next check decides again",
    Reason.NO_TIME_LEFT: "the run's time was over; the next run continues",
    Reason.STATUS_CHECK_FAILED: "its status checks fail",
    Reason.NOT_FAILING: "no status check of it fails now",
    Reason.BEING_REPLACED: "its group is replacing or removing it already",
    Reason.NOT_IN_SERVICE: "it is not in service: it is on standby, starting or leaving",
    Reason.PROTECTED: "it is protected from scale-in, so Headroom leaves it alone",
    Reason.LAUNCHED_RECENTLY: "it joined its group a short time ago, and may still be starting",
    Reason.REBOOTED_RECENTLY: "it was rebooted a short time ago",
    Reason.NOT_WATCHED: "it has no Headroom alarm yet to record a reboot; "
    "the next sweep creates the alarm",
    Reason.PROCESS_SUSPENDED: "its group would not replace it: "
    "a process that this needs is suspended",
    Reason.OUTAGE: "all of its zone, or most of its group, fails at once; "
    "in an outage no instance is removed",
    Reason.LAST_HEALTHY: "no other member of its group is healthy",
    Reason.HEALING_BUDGET: "the healing budget of its group is used up: "
    "enough instances were healed, or are leaving",
}


MODES = {False: "provisioned", True: "on demand"}
HEALS: Mapping[str, str] = {
    "replace": "is replaced",
    "reboot": "is rebooted",
    "recover": "is left to EC2's recovery, which its alarm calls",
    "notify": "is unhealthy",
}


def sentence(
    subject: Decision | HealingDecision | ModeDecision | Skip | Action, would: bool = False
) -> str:
    """Return one line for a decision, a skip or an action. would: the action is only planned."""
    match subject:
        case Decision():
            return _decision(subject)
        case HealingDecision():
            return _healing_decision(subject)
        case ModeDecision():
            return _mode_decision(subject)
        case Skip():
            return f"{subject.subject}: passed over: {subject.detail} ({subject.reason})"
        case _:
            return ("Would " if would else "") + _action(subject, would)


def _decision(decision: Decision) -> str:
    move, mode = f"stays at {decision.current}", ""
    if decision.changes:
        move = f"{decision.current} → {decision.desired}"
        mode = "dry run: " if decision.dry_run else ""
    return f"{mode}{decision.target} {move} units: {_why(decision)}"


def _healing_decision(decision: HealingDecision) -> str:
    mode = "dry run: " if decision.dry_run and decision.acts else ""
    move = HEALS[decision.action] if decision.is_failed else "is left alone"
    return f"{mode}instance {decision.instance} of group {decision.group} {move}: {_why(decision)}"


def _mode_decision(decision: ModeDecision) -> str:
    now, then = (MODES[mode] for mode in (decision.on_demand, decision.becomes_on_demand))
    move = f"{now} → {then}" if decision.switches else f"stays {now}"
    mode = "dry run: " if decision.dry_run and decision.changes else ""
    return f"{mode}{decision.table} {move}: {_why(decision)}"


def _why(decision: Decision | HealingDecision | ModeDecision) -> str:
    return f"{WHY[decision.reason]} ({decision.reason}; {numbers(decision.numbers)})"


def numbers(pairs: Mapping[str, Number]) -> str:
    """Return the numbers as `name value` pairs, floats with two decimals."""
    return ", ".join(f"{key.replace('_', ' ')} {_short(value)}" for key, value in pairs.items())


def _short(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _action(action: Action, would: bool) -> str:
    verb = str if would else str.capitalize
    match action:
        case SetCapacity():
            parts = ", ".join(f"{c.target} {c.current} → {c.desired}" for c in action.changes)
            return f"{verb('set')} {parts} units in one UpdateTable call"
        case RewriteAlarm():
            changes = ", ".join(
                f"{key} {_short(action.alarm.fields.get(key))} → {_short(value)}"
                for key, value in action.changes.items()
            )
            return f"{verb('rewrite')} alarm {action.alarm.name}: {changes}"
        case CreateAlarm():
            threshold = _short(action.fields["Threshold"])
            return f"{verb('make')} alarm {action.fields['AlarmName']} with threshold {threshold}"
        case Heal():
            word = "let group {0} replace" if action.how == "replace" else "reboot, for group {0},"
            return f"{verb(word.format(action.group))} instance {action.instance}"
        case DeleteAlarms():
            alarms = "alarm" if len(action.names) == 1 else "alarms"
            return f"{verb('delete')} {alarms} {', '.join(action.names)}"
        case SetMode():
            return _mode_action(action, verb)
        case StandBy():
            return _stand_by(action, verb)
        case _:
            assert_never(action)


def _stand_by(action: StandBy, verb: Callable[[str], str]) -> str:
    if action.ends:
        return f"{verb('let')} Application Auto Scaling scale {action.target}"
    word = "register {0} with" if action.is_new else "suspend {0} in"
    bounds = f"{action.min_units:,} to {action.max_units:,} units"
    kept = f"{'suspended, ' if action.is_new else ''}{bounds}"
    return f"{verb(word.format(action.target))} Application Auto Scaling ({kept})"


def _mode_action(action: SetMode, verb: Callable[[str], str]) -> str:
    limits = ", ".join(f"{target} {count:,}" for target, count in action.units or action.ceilings)
    if not action.switches:
        return f"{verb('set')} the maximum throughput of {action.table} to {limits}"
    words = " with " if action.units else " with the maximum throughput "
    more = f"{words}{limits}" if limits else ""
    return f"{verb('switch')} {action.table} to {MODES[action.on_demand]}{more}"
