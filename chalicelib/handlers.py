"""The handlers: which tables an event checks, and in which directions. It only starts a check.

    on_alarm    the alarm's table                        up
    follow_up   the tables of the alarms in ALARM now,   up
                and those that follow a fleet
    scale_down  every managed table                      both
    sweep       every managed table                      both, and the alarms themselves
    on_fleet    the tables that follow a fleet           up
    on_group    tables that one of the middle three      as that function
                handed over, in a large account

Every handler calls `reconcile` with its tables. Each returns the run's report.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from itertools import chain

from chalicelib import modes, owners, unthrottled
from chalicelib.alarm_upkeep import first_share, make_missing, remove_orphans
from chalicelib.aws.alarms import alarms_named, alarms_on_topic, pages_on_topic
from chalicelib.aws.tables import table_names
from chalicelib.core import checks, table_alarms, understudy
from chalicelib.core.observation import Observation
from chalicelib.core.prices import is_worth_checking
from chalicelib.events import Event, GroupEvent, InstanceEvent
from chalicelib.fan_out import hand_over, is_for_workers
from chalicelib.healing import reconcile as healing
from chalicelib.healing.notify import notify_of_instances
from chalicelib.model import BOTH, UP, Alarm, Dimension, Direction, Reason, Skip, TableState, Target
from chalicelib.month_costs import add_up_stage
from chalicelib.notify import notify_of_tables
from chalicelib.observe import (
    WhyUnread,
    describe_in_time,
    existing_tables,
    provisioned_tables,
    with_units,
)
from chalicelib.reconcile import reconcile
from chalicelib.run import Report, Run, Sweep

#: A worker takes one group after another. It asks Application Auto Scaling once in this time.
OWNERS_KEPT = timedelta(minutes=1)
#: Where workers check the tables, the function that handed them over reads a page of alarms in so
#: many seconds: a third of DescribeAlarms' rate, nine a second (CloudWatch User Guide, service
#: quotas, read 2026-11). It may take so many times as long as for another read.
BETWEEN_PAGES, OF_WORKERS = 1 / 3, 4
#: Ten workers need 58 seconds for 10,000 tables (docs/scale.md). After so many seconds for each
#: table the function reads its alarms without a pause.
WORKERS_SECONDS = 0.0065
#: follow_up without workers waits for the first page of alarms, and for all others, for so many
#: times as long as for another read: 2 and 5 of its 60 seconds.
FOR_FIRST_PAGE, FOR_OTHER_PAGES = 1 / 5, 1 / 2


def on_alarm(run: Run, event: Event) -> Report:
    """Check the table, or the failed instance, of an alarm that went to ALARM."""
    if isinstance(event, Skip):
        run.report.skips.append(event)
    elif isinstance(event, InstanceEvent):
        healing.on_event(run, event)
    elif not run.config.manages(event.target.table):
        _skip_unmanaged(run, event.alarm_name, event.target.table)
    elif not run.is_foreign(event.alarm_name, event.region, event.account):
        unthrottled.forget(run, event.target.table)
        read_alarms = partial(_named_or_ours, run, {event.alarm_name}, True)
        reconcile(run, provisioned_tables(run, [event.target.table]), UP, read_alarms)
    return run.report


def follow_up(run: Run) -> Report:
    """Check the tables and instances of the alarms in ALARM, as if their messages had just come.

    An SNS action fires only when the alarm changes its state. An alarm that stays in ALARM, and one
    whose message was lost, are found here. The tables that follow a fleet are checked too, because
    most events of a burst come while the table is updating. That check reads no metrics.

    Where the alarms cannot be read, their metrics show which tables must be raised.
    """
    alarms = _alarms_in_alarm(run)
    in_alarm = [alarm for alarm in alarms or [] if not alarm.is_silenced]
    targets = [table_alarms.watched(alarm) for alarm in in_alarm]
    tables = {t.table for t in targets if t and run.config.manages(t.table)}
    if alarms is None:
        tables = _without_known_alarms(run)
    others = tables & _with_alarms_of_others(in_alarm)
    handed = tables - others - set(hand_over(run, "follow_up", sorted(tables - others), UP))
    names = sorted((tables | set(_followers(run))) - handed)
    found = provisioned_tables(run, names)

    def why_unread(observation: Observation) -> Reason | None:
        return None if observation.target.table in tables else Reason.NO_DATA

    def read_alarms(targets: Collection[Target]) -> list[Alarm] | None:
        # a second call in vain would take the time of the increases
        return None if alarms is None else _read_or_ours(run, in_alarm, targets)

    reconcile(run, found, UP, read_alarms, why_unread)
    run.attempt("the failed instances", "looking at them", healing.follow, run, in_alarm)
    return run.report


def scale_down(run: Run) -> Report:
    """Lower what may be lowered, over all managed tables.

    Those that the sweep does not check come first, then those that cost most.

    It checks both directions. A table that needs an increase is raised first, since a decrease
    would make the increase wait.
    """
    managed = [name for name in _all_tables(run) or [] if run.config.manages(name)]
    free = _without_autoscaled(run, managed)
    modes.choose(run, free or [])
    left = hand_over(run, "scale_down", free, BOTH) if free else []
    alarms = _topic_alarms(run) if left else None
    if left and alarms is not None:
        reconcile(
            run,
            provisioned_tables(run, left),
            BOTH,
            lambda _: alarms,
            comes_first=lambda table: not _is_swept(run, table),
        )
    return run.report


def sweep(
    run: Run,
    alone: bool = False,
    with_alarms: bool = True,
    concerns: Callable[[str], bool] | None = None,
) -> Report:
    """Correct what no event reports: alarms, minimums, and decreases that were not made.

    alone: no other function checks, so the metrics of every table are read. with_alarms: False
    ignores alarms: none is read, made or removed, and no decrease waits for one. concerns: the only
    tables that are checked; groups of instances are not, then.
    """
    existing = _all_tables(run)
    if existing is None:
        return run.report
    managed = [name for name in existing if run.config.manages(name)]
    managed = [name for name in managed if concerns is None or concerns(name)]
    free = _without_autoscaled(run, managed)
    names = managed if free is None else free
    switched = modes.choose(run, free or []) if alone else set()
    left = hand_over(run, "sweep", names, UP if free is None else BOTH)
    left = [name for name in left if name not in switched]
    described = existing_tables(run, names)
    tables = {name: table for name, table in described.items() if not table.on_demand}
    gone = {skip.subject for skip in run.report.skips if skip.reason is Reason.GONE}
    is_whole = concerns is None and set(names) - gone == described.keys()
    add_up_stage(run, [*described.values()], is_whole)
    alarms = _concerning(_topic_alarms(run), concerns) if with_alarms else []
    may_make = with_alarms and free is not None
    suspensions = owners.suspensions(run, tables) if may_make and not alone else []
    known = list(alarms or [])
    if may_make and alarms is not None:
        known += make_missing(run, known, tables, first_share(run))
    directions = UP if free is None or alarms is None else BOTH
    _check_swept(run, tables, left, known, directions, alone)
    if alarms is None:
        return run.report
    if with_alarms:
        returning = {action.target.table for action in suspensions}
        kept = set(existing) - (set(managed) - set(names) - returning)
        remove_orphans(run, alarms, kept, tables)
    if may_make:
        make_missing(run, known, tables)
    if with_alarms and concerns is None:
        run.attempt("the Auto Scaling groups", "looking at them", healing.sweep, run, alarms)
    run.report.standing_by = suspensions
    run.report.sweep = Sweep(alarms, set(managed))
    return run.report


def _check_swept(
    run: Run,
    tables: Mapping[str, TableState],
    left: Collection[str],
    alarms: Sequence[Alarm],
    directions: Collection[Direction],
    alone: bool,
) -> None:
    """Check the tables that no worker checks.

    left: the tables that were not handed over. Workers find alarms by their names only. So the
    tables with an alarm of somebody else, which calls us too, are checked here as well, and those
    with an alarm that is switched off.
    """
    silenced = _silenced(run, alarms, tables)
    why_not_swept = _why_not_swept(run, alarms)
    checked = {*left, *_with_alarms_of_others(alarms), *(target.table for target in silenced)}
    reconcile(
        run,
        {name: table for name, table in tables.items() if name in checked},
        directions,
        lambda _: alarms,
        lambda o: None if alone or o.target in silenced else why_not_swept(o),
    )


def _why_not_swept(run: Run, alarms: Iterable[Alarm]) -> WhyUnread:
    """Return what tells why a sweep need not read a target's metrics."""
    calling = table_alarms.may_call(alarms)
    return lambda o: checks.why_not_swept(o, run.now, calling(o.target))


def _silenced(
    run: Run, alarms: Sequence[Alarm], tables: Mapping[str, TableState]
) -> Collection[Target]:
    """Return the targets whose alarm cannot call, and report them.

    Somebody has switched its actions off or gave it a warm-up, so each sweep reads their metrics.
    """
    found = table_alarms.silenced(alarms)
    silenced = {target: alarm for target, alarm in found.items() if target.table in tables}
    for target, alarm in silenced.items():
        why = f"{alarm.why_silent}; meanwhile each sweep reads the metrics of {target}"
        run.skip(alarm.name, Reason.ALARM_OFF, why)
    return silenced


def on_fleet(run: Run) -> Report:
    """Check the tables that follow a fleet, since an instance started or stopped.

    Events come in bursts, one for each instance. So no metrics are read, and the sweep makes the
    decreases.
    """
    read_alarms = partial(_named_or_ours, run, set(), False)
    reconcile(
        run, provisioned_tables(run, _followers(run)), UP, read_alarms, lambda _: Reason.NO_DATA
    )
    return run.report


def on_group(run: Run, event: GroupEvent | Skip) -> Report:
    """Check the tables that a scheduled function handed over, as that function would.

    The message may be late, doubled or forged: what the configuration does not name is passed over,
    and what Application Auto Scaling manages now is not lowered.
    """
    if isinstance(event, Skip):
        run.report.skips.append(event)
        return run.report
    # the function that sent the groups writes alarms too
    run.side_by_side = min(run.side_by_side, max(2, event.groups or run.side_by_side))
    names, directions = _managed_of(run, event.tables), event.directions
    if Direction.DOWN in directions:
        free = _without_autoscaled(run, names, OWNERS_KEPT)
        names, directions = (names, UP) if free is None else (free, directions)
    tables = provisioned_tables(run, names)
    targets = [target for table in tables.values() for target in table.targets()]
    alarms = run.read("the alarms", "DescribeAlarms", _named_or_ours, run, set(), False, targets)
    is_sweep = event.check == "sweep"
    why_not_swept = _why_not_swept(run, alarms or [])
    reconcile(
        run,
        tables,
        directions,
        lambda _: alarms,
        lambda o: why_not_swept(o) if is_sweep else None,
        comes_first=lambda table: not is_sweep and not _is_swept(run, table),
    )
    if is_sweep and alarms:
        run.report.sweep = Sweep(alarms, set(names))
    return run.report


def preview(run: Run, table: str) -> Report:
    """Check one table in both directions, to show an operator what would happen."""
    if run.config.manages(table):
        modes.choose(run, [table])
        tables = provisioned_tables(run, [table])

        def read_alarms(targets: Collection[Target]) -> list[Alarm]:
            alarms = _named_or_ours(run, set(), False, targets)
            _silenced(run, alarms, tables)
            for alarm in filter(table_alarms.lacks_actions, alarms):
                why = "it has lost its actions; the next sweep gives them back"
                run.skip(alarm.name, Reason.ALARM_OFF, why)
            return alarms

        reconcile(run, tables, BOTH, read_alarms)
    else:
        _skip_unmanaged(run, table, table)
    return run.report


def stand_by(run: Run) -> None:
    """Let Application Auto Scaling stand by, after a sweep without a failure: the last thing before
    the run counts as completed."""
    owners.suspend(run, run.report.standing_by)


def notify(run: Run) -> None:
    """Notify people of what a run did, after it is logged. A dry run notifies nobody."""
    if not run.dry_run:
        run.attempt("notifications", "sending", notify_of_instances, run)
        run.attempt("notifications", "sending", notify_of_tables, run)


def _is_swept(run: Run, table: TableState) -> bool:
    """Tell whether a sweep reads the metrics of a table."""
    return any(is_worth_checking(o, run.now) for o in with_units(run, table))


def _skip_unmanaged(run: Run, subject: str, table: str) -> None:
    run.skip(subject, Reason.NOT_MANAGED, f"no rule in the configuration names table {table}")


def _topic_alarms(run: Run) -> list[Alarm] | None:
    """Return the alarms on the topic, None where they cannot be read.

    Where workers check the tables, they read alarms at the same time. They are not slowed down:
    what this function does with the alarms is not urgent.
    """
    seconds = run.read_timeout * (OF_WORKERS if run.report.handed_over else 1)

    def pause() -> float:
        since = run.length - run.seconds_left()
        return 0.0 if since > run.report.handed_over * WORKERS_SECONDS else BETWEEN_PAGES

    return run.read_within(
        seconds,
        "the alarms on the topic",
        "DescribeAlarms",
        alarms_on_topic,
        run.aws,
        pause=pause if run.report.handed_over else None,
    )


def _alarms_in_alarm(run: Run) -> list[Alarm] | None:
    """Return the alarms on the topic that are in ALARM, None where they cannot be read.

    Without workers the metrics can tell the same, and reading those of all tables takes long. So a
    service that sends no first page is given up early. One that answers has more time for the rest.
    """
    subject, doing = "the alarms in ALARM", "DescribeAlarms"
    first, rest = (1, 1) if run.may_hand_over else (FOR_FIRST_PAGE, FOR_OTHER_PAGES)
    pages = pages_on_topic(run.aws, "ALARM")
    found = run.read_within(run.read_timeout * first, subject, doing, next, pages)
    if found is None:
        return None
    others = run.read_within(run.read_timeout * rest, subject, doing, list, pages)
    return None if others is None else [*found, *chain.from_iterable(others)]


def _concerning(
    alarms: list[Alarm] | None, concerns: Callable[[str], bool] | None
) -> list[Alarm] | None:
    """Return the alarms of these tables. What is unknown stays so."""
    if alarms is None or concerns is None:
        return alarms
    watched = ((alarm, table_alarms.watched(alarm)) for alarm in alarms)
    return [alarm for alarm, target in watched if target and concerns(target.table)]


def _all_tables(run: Run) -> list[str] | None:
    """Return the names of all tables of the Region, or None where they cannot be read."""
    return run.read("the tables", "ListTables", table_names, run.aws)


def _followers(run: Run) -> list[str]:
    """Return the managed tables that follow a fleet. They can only be raised."""
    fleets = run.config.fleets
    if not fleets:
        return []
    return _raisable(run, lambda name: any(fleet.concerns_table(name) for fleet in fleets))


def _without_known_alarms(run: Run) -> set[str]:
    """Return the tables to check while nobody knows which alarms are in ALARM: all, as in a sweep.

    None where workers take them: reading the metrics of so many each minute would load CloudWatch
    even more. There the sweeps raise, which need no alarms.
    """
    names = set(_raisable(run, lambda _: True))
    return set() if is_for_workers(run, len(names)) else names


def _raisable(run: Run, concerns: Callable[[str], bool]) -> list[str]:
    """Return the managed tables that are concerned and may be raised.

    Where it is unknown which of them Application Auto Scaling manages, all are returned: they can
    only be raised.
    """
    existing = [name for name in _all_tables(run) or [] if concerns(name)]
    names = [name for name in existing if run.config.manages(name)]
    free = _without_autoscaled(run, names)
    return names if free is None else free


def _managed_of(run: Run, names: Iterable[str]) -> list[str]:
    """Return those of the names that the configuration manages; report the others."""
    unique = list(dict.fromkeys(names))
    for name in unique:
        if not run.config.manages(name):
            _skip_unmanaged(run, name, name)
    return [name for name in unique if run.config.manages(name)]


def _with_alarms_of_others(alarms: Iterable[Alarm]) -> set[str]:
    """Return the tables that an alarm watches which Headroom did not make."""
    watched = (table_alarms.watched(a) for a in alarms if not table_alarms.is_ours(a))
    return {target.table for target in watched if target}


def _without_autoscaled(
    run: Run, names: Sequence[str], within: timedelta = timedelta()
) -> list[str] | None:
    """Return the tables that Application Auto Scaling does not manage; None if that is unknown.

    It must manage the writes of a global table. Such a table is returned too, if its reads are
    free. within: how old an answer may be that this container has.
    """
    if not names:
        return []
    known = owners.scalable_targets(run, within)
    if known is None:
        return None
    managed = understudy.managed(run.config, known)
    autoscaled = managed.keys() & set(names)
    autoscaled -= _with_free_reads(run, {name: managed[name] for name in autoscaled})
    for name in sorted(autoscaled):
        run.skip(
            name, Reason.AUTOSCALING_CONFLICT, "Application Auto Scaling manages it too; left alone"
        )
    return [name for name in names if name not in autoscaled]


def _with_free_reads(run: Run, autoscaled: Mapping[str, Collection[Dimension]]) -> set[str]:
    """Return the global tables of which Application Auto Scaling manages nothing but writes."""
    names = sorted(name for name, found in autoscaled.items() if Dimension.READ not in found)
    tables = describe_in_time(run, names)
    return {n for n, table in tables.items() if isinstance(table, TableState) and table.replicas}


def _named_or_ours(
    run: Run, names: Collection[str], explain: bool, targets: Collection[Target]
) -> list[Alarm]:
    """Return the named alarms that call us, and Headroom's own alarms of the targets.

    explain: report why a named alarm cannot be rewritten.
    """
    if not targets:
        return []
    alarms = alarms_named(run.aws, {*names, *map(table_alarms.name_of, targets)})
    for alarm in alarms:
        target = table_alarms.target_of_alarm(alarm)
        if explain and alarm.name in names and isinstance(target, str):
            run.skip(
                alarm.name, Reason.UNSUPPORTED_ALARM, f"its threshold is not rewritten: {target}"
            )
    topic, functions = run.aws.topic_arn, run.aws.functions
    return [a for a in alarms if table_alarms.calls_headroom(a, topic, functions)]


def _read_or_ours(run: Run, read: Iterable[Alarm], targets: Collection[Target]) -> list[Alarm]:
    """Return the same where the alarms that call us are read already: they are not read again."""
    of_targets = [alarm for alarm in read if table_alarms.watched(alarm) in targets]
    names = {alarm.name for alarm in of_targets}
    others = [target for target in targets if table_alarms.name_of(target) not in names]
    return [*of_targets, *_named_or_ours(run, set(), False, others)]
