"""What Application Auto Scaling has for DynamoDB, translated into Headroom's configuration. Pure:
headroom/migrate/handover.py calls AWS.

Every scalable target, scaling policy and scheduled action is accounted for by at least one note:
translated, obsolete (why), or refused (what to do). Words and shapes are those of the API. Source:
Application Auto Scaling API reference, read 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import tomlkit
from tomlkit.items import Table

from chalicelib.config.policy import make_policy
from chalicelib.model import Dimension, TableState, Target
from headroom.migrate import schedules
from headroom.migrate.schedules import InexpressibleError
from headroom.migrate.toml_items import OFF, item

Entry = Mapping[str, Any]
Settings = Mapping[str, Any]
Verdict = Literal["translated", "obsolete", "refused"]
Strategy = Literal["adaptive", "percent"]
State = TableState | Exception | None
METRICS = {
    Dimension.READ: "DynamoDBReadCapacityUtilization",
    Dimension.WRITE: "DynamoDBWriteCapacityUtilization",
}
DIMENSIONS = {"ReadCapacityUnits": Dimension.READ, "WriteCapacityUnits": Dimension.WRITE}
#: The most that min_units and max_units may be.
MOST_UNITS = 1_000_000
#: Points between the alarm and what a decrease leaves: they must differ, or each decrease would
#: raise the alarm again.
BELOW_ALARM = 5
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
ABSENT: dict[str, Any] = {}
REPLICATED = (
    "the table is a global table, with replicas in {}; DynamoDB requires that Application Auto "
    "Scaling manages its writes, so they stay there; with [understudy] they may be handed over"
)


@dataclass(frozen=True)
class Autoscaling:
    """What DescribeScalableTargets, DescribeScalingPolicies and DescribeScheduledActions say, all
    pages."""

    targets: Sequence[Entry] = ()
    policies: Sequence[Entry] = ()
    actions: Sequence[Entry] = ()

    def only(self, tables: Iterable[str]) -> Autoscaling:
        """Return what belongs to some tables and their indexes."""
        wanted = set(tables)
        return self.where(lambda target: target.table in wanted)

    def only_of(self, wanted: Target) -> Autoscaling:
        """Return what belongs to one target."""
        return self.where(lambda target: target == wanted)

    def where(self, is_meant: Callable[[Target], bool]) -> Autoscaling:
        """Return what belongs to the targets that are meant."""
        parts = (self.targets, self.policies, self.actions)
        return Autoscaling(
            *([entry for entry in part if is_meant(target_of(entry))] for part in parts)
        )

    def everything(self) -> list[Entry]:
        return [*self.targets, *self.policies, *self.actions]

    def tables(self) -> list[str]:
        return sorted({target_of(entry).table for entry in self.everything()})


@dataclass(frozen=True)
class Note:
    """What became of one target, policy or action."""

    subject: str
    verdict: Verdict
    text: str

    @property
    def table(self) -> str:
        return re.split("[:/]", self.subject)[0]

    def __str__(self) -> str:
        return f"{self.subject}: {self.verdict}: {self.text}"


@dataclass
class Part:
    """One target's settings, and the notes on it."""

    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def note(self, entry: Entry, verdict: Verdict, text: str) -> None:
        self.notes.append(Note(subject_of(entry), verdict, text))


@dataclass(frozen=True)
class Translation:
    """text: the configuration as TOML, with every note as a comment. tables: those that it
    names."""

    text: str
    notes: Sequence[Note]
    tables: Sequence[str]


def target_of(entry: Entry) -> Target:
    """Return the target that a scalable target, a policy or an action belongs to: its ResourceId is
    `table/T[/index/I]`."""
    _, table, *rest = str(entry["ResourceId"]).split("/")
    return Target(
        table,
        rest[-1] if rest else "",
        DIMENSIONS[str(entry["ScalableDimension"]).rsplit(":", 1)[-1]],
    )


def subject_of(entry: Entry) -> str:
    """Return how a target, a policy or an action is named in notes."""
    kinds = {"PolicyName": "policy", "ScheduledActionName": "scheduled action"}
    named = next((f" {kind} {entry[key]}" for key, kind in kinds.items() if key in entry), "")
    return f"{target_of(entry)}{named}"


def translate(
    autoscaling: Autoscaling,
    tables: Mapping[str, State],
    now: datetime,
    strategy: Strategy = "adaptive",
) -> Translation:
    """Return the configuration that does what Application Auto Scaling does, as near as possible.

    tables: each table as it is, None where it does not exist, the error where it could not be read.
    now: aware.
    """
    document, rules = tomlkit.document(), tomlkit.aot()
    notes: list[Note] = []
    for name in autoscaling.tables():
        own, table = autoscaling.only([name]), tables.get(name)
        if isinstance(table, TableState) and not table.on_demand:
            settings, table_notes = _table(own, table, now, strategy)
        else:
            settings, table_notes = {}, _left_out(own, table)
        notes += table_notes
        if settings:
            rules.append(_rule(name, settings, table_notes, strategy))
        else:
            _add_comments(document, table_notes)
    if len(rules):
        document.add("tables", rules)
    return Translation(tomlkit.dumps(document), notes, [str(rule["name"]) for rule in rules])


def _left_out(autoscaling: Autoscaling, table: State) -> list[Note]:
    """Return the notes on a table that is not named in the configuration."""
    if isinstance(table, Exception):
        text = f"the table could not be read ({table}); put that right and import again"
        return _notes(autoscaling, "refused", text)
    text = (
        "the table is billed on demand: there is no capacity to set"
        if table
        else "the table exists no more; aws application-autoscaling deregister-scalable-target "
        "clears it away"
    )
    return _notes(autoscaling, "obsolete", text)


def _notes(autoscaling: Autoscaling, verdict: Verdict, text: str) -> list[Note]:
    return [Note(subject_of(entry), verdict, text) for entry in autoscaling.everything()]


def _table(
    autoscaling: Autoscaling, table: TableState, now: datetime, strategy: Strategy
) -> tuple[dict[Target, Settings], list[Note]]:
    """Return what each target of one table gets (nothing where none is scaled any more), and the
    notes on it."""
    settings: dict[Target, Settings] = {}
    notes: list[Note] = []
    registered = {target_of(entry): entry for entry in autoscaling.targets}
    for target in dict.fromkeys(target_of(entry) for entry in autoscaling.everything()):
        own = autoscaling.only_of(target)
        why = _why_obsolete(target, registered, table)
        if why:
            notes += _notes(own, "obsolete", why)
        elif table.replicates(target):
            notes += _notes(own, "refused", REPLICATED.format(", ".join(table.replicas)))
            settings[target] = OFF
        else:
            part = _target(registered[target], own.policies, own.actions, now, strategy)
            settings[target] = part.settings
            notes += part.notes
    if all(own is OFF for own in settings.values()):
        return {}, notes
    off = [target for target in table.targets() if target not in settings]
    notes += [
        Note(
            str(target), "translated", "no scalable target, so it is left as it is: scaling is off"
        )
        for target in off
    ]
    return settings, notes


def _why_obsolete(target: Target, registered: Mapping[Target, Entry], table: TableState) -> str:
    """Return why a target needs no translation, or ""."""
    if target.index not in table.throughputs:
        return f"the table has no index {target.index} any more"
    return (
        ""
        if target in registered
        else "its scalable target is not registered, so that nothing applies it"
    )


# TOML


def _rule(
    name: str, settings: Mapping[Target, Settings], notes: Iterable[Note], strategy: Strategy
) -> Table:
    """Return one table's rule. What has no scalable target is off, and so is every index that there
    may be later."""
    rule, indexes = tomlkit.table(), tomlkit.aot()
    _add_comments(rule, notes)
    rule.add("name", name)
    if strategy != "adaptive":
        rule.add("strategy", strategy)
    own = {dimension: settings.get(Target(name, "", dimension), OFF) for dimension in Dimension}
    _write(rule, own)
    for index in sorted({target.index for target in settings} - {""}):
        nested = tomlkit.table()
        nested.add("name", index)
        whole = {
            dimension: _whole(settings.get(Target(name, index, dimension), OFF), above, strategy)
            for dimension, above in own.items()
        }
        _write(nested, whole)
        indexes.append(nested)
    indexes.append(tomlkit.item({"name": "*", **OFF}))
    rule.add("indexes", indexes)
    return rule


def _whole(own: Settings, above: Settings, strategy: Strategy) -> Settings:
    """Return an index's settings with the defaults of what it does not set itself.

    Otherwise it would inherit them from its table."""
    defaults = make_policy(strategy=strategy)
    return {**own, **{key: getattr(defaults, key) for key in above if key not in own}}


def _write(into: Table, settings: Mapping[Dimension, Settings]) -> None:
    for dimension, own in settings.items():
        into.add(str(dimension), tomlkit.item({key: item(value) for key, value in own.items()}))


def _add_comments(into: Any, notes: Iterable[Note]) -> None:
    for note in notes:
        # no comment may hold a control character
        into.add(tomlkit.comment(CONTROL.sub(" ", str(note))))


# one target


def _target(
    entry: Entry,
    policies: Sequence[Entry],
    actions: Sequence[Entry],
    now: datetime,
    strategy: Strategy,
) -> Part:
    low, high = int(entry["MinCapacity"]), int(entry["MaxCapacity"])
    part = Part({"min_units": low, "max_units": high})
    suspended: Entry = entry.get("SuspendedState") or {}
    _scheduled(part, actions, bool(suspended.get("ScheduledScalingSuspended")), now)
    floors = [window["min_units"] for window in part.settings.get("windows", ())]
    least = part.settings["min_units"]
    most = max(part.settings["max_units"], least, *floors)
    part.settings |= {"min_units": _allowed(least), "max_units": _allowed(most)}
    units = "min_units {min_units}, max_units {max_units}".format_map(part.settings)
    is_scheduled = part.settings["min_units"] != low
    why = f" (MinCapacity {low} is what an action has set by now)" if is_scheduled else ""
    about = Part(notes=[Note(subject_of(entry), "translated", f"{units}{why}")])
    _suspended(about, part, entry, suspended)
    _policies(part, policies, strategy)
    if not policies:
        about.note(
            entry,
            "translated",
            (
                "it had no scaling policy, so only its bounds held; Headroom follows its load "
                "within them"
            ),
        )
    return replace(part, notes=about.notes + part.notes)


def _allowed(units: int) -> int:
    return min(max(units, 1), MOST_UNITS)


def _suspended(about: Part, part: Part, entry: Entry, suspended: Entry) -> None:
    for key, setting in (
        ("DynamicScalingOutSuspended", "scale_up"),
        ("DynamicScalingInSuspended", "scale_down"),
    ):
        if suspended.get(key):
            part.settings[setting] = False
            about.note(entry, "translated", f"{key} → {setting} = false")
    if suspended.get("DynamicScalingOutSuspended") and part.settings.get("windows"):
        about.note(
            entry,
            "refused",
            (
                "scale_up = false keeps the floors of its windows from raising, too; take it out "
                "to have them"
            ),
        )


# policies


def _policies(part: Part, policies: Sequence[Entry], strategy: Strategy) -> None:
    known = [entry for entry in policies if not _why_refused(entry)]
    ordered = sorted(known, key=lambda entry: _tracking(entry)["TargetValue"])
    for entry in policies:
        if _why_refused(entry):
            part.note(entry, "refused", _why_refused(entry))
    for entry in ordered[1:]:
        part.note(
            entry, "obsolete", "of several policies the one with the lowest TargetValue decides"
        )
    for entry in ordered[:1]:
        _value(part, entry, strategy)
    if ordered and all(_tracking(entry).get("DisableScaleIn") for entry in ordered):
        part.settings["scale_down"] = False
        part.note(ordered[0], "translated", "DisableScaleIn → scale_down = false")
    for entry in ordered:
        cooldowns = {
            key: _tracking(entry)[key]
            for key in ("ScaleOutCooldown", "ScaleInCooldown")
            if _tracking(entry).get(key)
        }
        if cooldowns:
            shown = ", ".join(f"{key} {seconds} s" for key, seconds in cooldowns.items())
            part.note(
                entry,
                "obsolete",
                f"{shown}: no evidence raises twice, "
                "and DynamoDB's decrease quota spaces decreases",
            )


def _tracking(entry: Entry) -> Entry:
    return entry.get("TargetTrackingScalingPolicyConfiguration") or ABSENT


def _why_refused(entry: Entry) -> str:
    """Return why a policy has no equal, or ""."""
    if entry.get("PolicyType") != "TargetTrackingScaling" or "TargetValue" not in _tracking(entry):
        return (
            f"{entry.get('PolicyType')} has no equal; strategy percent with increase_steps "
            "is the nearest"
        )
    metric = (_tracking(entry).get("PredefinedMetricSpecification") or {}).get(
        "PredefinedMetricType"
    )
    if metric != METRICS[target_of(entry).dimension]:
        return (
            "it tracks another metric than the target's own utilization; Headroom follows "
            "consumption alone"
        )
    return ""


def _value(part: Part, entry: Entry, strategy: Strategy) -> None:
    value = float(_tracking(entry)["TargetValue"])
    if strategy == "adaptive":
        part.note(
            entry,
            "obsolete",
            f"TargetValue {value:g}: adaptive follows the demand and keeps no fixed utilization; "
            "--strategy percent does",
        )
        return
    alarm = min(max(round(value), 2), 100)
    target = max(1, alarm - BELOW_ALARM)
    part.settings |= {
        "alarm_percent": alarm,
        "alarm_evaluation_periods": 2,
        "target_percent": target,
    }
    part.note(
        entry,
        "translated",
        f"TargetValue {value:g} → alarm_percent {alarm} for two minutes, "
        f"and target_percent {target} for decreases",
    )


# scheduled actions


def _scheduled(part: Part, actions: Sequence[Entry], suspended: bool, now: datetime) -> None:
    """Translate the actions that come every week into min_units and windows, and say of each other
    one why not."""
    chain: list[tuple[Entry, frozenset[int]]] = []
    for action in actions:
        why = (
            "scheduled scaling is suspended, so that it does not run"
            if suspended
            else over(action, now)
        )
        if why:
            part.note(action, "obsolete", why)
            continue
        try:
            chain.append((action, _weekly(action, now)))
        except InexpressibleError as error:
            part.note(action, "refused", str(error))
    recurring = [action for action, _ in chain]
    zones = {_zone(action) for action in recurring}
    if len(zones) > 1:
        _zones_differ(part, recurring)
        return
    levels: dict[int, int] = {}
    for action, times in chain:
        units = _sizes(action).get("MinCapacity")
        if units is not None:
            levels |= {time: max(_allowed(units), levels.get(time, 0)) for time in times}
    if levels:
        part.settings["min_units"] = min(levels.values())
        windows = schedules.floors(levels, zones.pop())
        part.settings |= {"windows": windows} if windows else {}
    _maximums(part, recurring)


def _sizes(action: Entry) -> Mapping[str, int]:
    return {
        key: size
        for key, size in (action.get("ScalableTargetAction") or {}).items()
        if size is not None
    }


def _zone(action: Entry) -> str:
    return str(action.get("Timezone") or "UTC")


def over(action: Entry, now: datetime) -> str:
    """Return why an action will never run again, or ""."""
    try:
        once = schedules.once_at(action["Schedule"], _zone(action))
    except InexpressibleError:
        return ""  # _weekly refuses it
    end = time_of(action.get("EndTime"))
    if once and once <= now:
        return "it was to run once, and that is over"
    return f"it ended at {end:%Y-%m-%d %H:%M} UTC" if end and end <= now else ""


def time_of(value: Any) -> datetime | None:
    """Return a time of the API, which a saved file has as a text."""
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return time.astimezone(UTC) if time else None


def _weekly(action: Entry, now: datetime) -> frozenset[int]:
    start = time_of(action.get("StartTime"))
    if once := schedules.once_at(action["Schedule"], _zone(action)):
        raise InexpressibleError(
            f"it runs once, {once:%Y-%m-%d %H:%M}; add a floor before that day, and take it "
            "out after it"
        )
    if start and start > now:
        raise InexpressibleError(
            f"it begins only at {start:%Y-%m-%d %H:%M} UTC; import again, or add a window, "
            "after that"
        )
    return schedules.weekly(action["Schedule"], _zone(action))


def _zones_differ(part: Part, actions: Sequence[Entry]) -> None:
    for action in actions:
        part.note(
            action,
            "refused",
            f"its time zone, {_zone(action)}, is not that of the target's other actions; "
            "write windows by hand, in one zone. "
            "Until then min_units is the highest that they set, so that nothing is missing",
        )
    for setting, key in (("min_units", "MinCapacity"), ("max_units", "MaxCapacity")):
        given = [_sizes(action)[key] for action in actions if key in _sizes(action)]
        part.settings[setting] = max([part.settings[setting], *given])


def _maximums(part: Part, actions: Sequence[Entry]) -> None:
    """Note what each action of the chain became; of different maximums the highest holds."""
    given = {_sizes(action)["MaxCapacity"] for action in actions if "MaxCapacity" in _sizes(action)}
    differ = len({*given, part.settings["max_units"]}) > 1
    part.settings["max_units"] = max([part.settings["max_units"], *given])
    became = "windows" if part.settings.get("windows") else "min_units"
    for action in actions:
        sizes, end = _sizes(action), time_of(action.get("EndTime"))
        schedule = f"{action['Schedule']} {_zone(action)}"
        if "MinCapacity" in sizes:
            part.note(
                action, "translated", f"{schedule} MinCapacity {sizes['MinCapacity']} → {became}"
            )
        if "MaxCapacity" in sizes and differ:
            part.note(
                action,
                "refused",
                f"{schedule} MaxCapacity {sizes['MaxCapacity']}: no window lowers a maximum; "
                "max_units is the highest of them. "
                "Put a lower one where the cost must be capped at all times",
            )
        elif "MinCapacity" not in sizes:
            part.note(action, "obsolete", f"{schedule}: it changes nothing")
        if end:
            part.note(
                action,
                "refused",
                f"it ends at {end:%Y-%m-%d %H:%M} UTC, and windows do not; take them out then",
            )
