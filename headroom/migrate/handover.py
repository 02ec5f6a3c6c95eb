"""Handing a table over from Application Auto Scaling to Headroom, and back, without a moment in
which neither has it.

Over: what is to be removed is saved; Headroom's alarms are made; the scalable targets are
deregistered, which deletes their policies, these policies' alarms, and their scheduled actions;
then Headroom looks at the table. Back: the saved targets, policies and actions are registered; then
Headroom's alarms go. Each step may be repeated, so after a failure, or Ctrl-C, the same again.
With an understudy, the targets stay, suspended, instead of being deregistered.

Source: Application Auto Scaling API reference, DeregisterScalableTarget, RegisterScalableTarget,
read 2026-11.
"""

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import structs

from chalicelib import handlers
from chalicelib.aws import autoscaling
from chalicelib.aws.alarms import alarms_named, create_alarm, delete_alarms
from chalicelib.aws.client import Aws, AwsError
from chalicelib.aws.tables import describe_tables
from chalicelib.core import plan, table_alarms
from chalicelib.core.explain import sentence
from chalicelib.core.table_alarms import TOPIC_TAG
from chalicelib.model import Decision, DeleteAlarms, Dimension, Reason, TableState, Target
from chalicelib.run import Run
from headroom.migrate import application_autoscaling
from headroom.migrate.application_autoscaling import Autoscaling, Entry, target_of
from headroom.operator_error import OperatorError

SERVICE = "application-autoscaling"
NAMESPACE = "dynamodb"
KEYS = ("ServiceNamespace", "ResourceId", "ScalableDimension")
SERVICE_LINKED = ":role/aws-service-role/"
#: Application Auto Scaling is eventually consistent: what was just registered, or deregistered, may
#: not show at once.
PATIENCE_SECONDS = (0, 1, 2, 4, 8)

State = Literal["saved", "handed over", "restored"]
PrintLine = Callable[[str], None]
Clock = Callable[[], datetime]
#: Begins a run with the time of that moment.
NewRun = Callable[[], Run]


class HandoverError(OperatorError):
    """A table cannot be handed over, or only in part: what stands, and what to do."""


class Saved(msgspec.Struct):
    """One scalable target as it was, whole, with all that goes when it is deregistered."""

    target: dict[str, Any]
    policies: list[dict[str, Any]]
    scheduled_actions: list[dict[str, Any]]
    tags: dict[str, str]
    saved_at: str
    state: State = "saved"


class _Document(msgspec.Struct):
    account: str
    region: str
    targets: list[Saved]


class Record:
    """The file of what was removed. Entries are added and marked, never taken out."""

    def __init__(self, path: Path, account: str, region: str) -> None:
        """Read the file, if there is one. Raises HandoverError for one that is not a record of this
        account and Region."""
        self.path = path
        self._document = _Document(account, region, [])
        if not path.exists():
            return
        try:
            self._document = msgspec.json.decode(path.read_bytes(), type=_Document)
        except msgspec.MsgspecError as error:
            raise HandoverError(
                f"{path} is not a record of a handover ({error}); name another file with --state"
            ) from None
        kept = self._document.account, self._document.region
        if kept != (account, region):
            raise HandoverError(
                f"{path} is of account {kept[0]} in {kept[1]}, and this is {account} in {region}"
            )

    def newest(self) -> dict[Target, Saved]:
        """Return what was saved last of each target."""
        return {target_of(saved.target): saved for saved in self._document.targets}

    def tables(self, *states: State) -> list[str]:
        return sorted(
            {target.table for target, saved in self.newest().items() if saved.state in states}
        )

    def of(self, table: str) -> list[Saved]:
        """Return what is not restored of a table."""
        return [
            saved
            for target, saved in self.newest().items()
            if target.table == table and saved.state != "restored"
        ]

    def add(self, saved: Iterable[Saved]) -> None:
        """Add what is about to be removed.

        A handover that stopped half-way may find less of a target than there was: what it saved
        before stays beside the new. Where an earlier one had come to its end, somebody has brought
        the table back since; what is there now is all there is.
        """
        saved = list(saved)
        for table in {target_of(new.target).table for new in saved} - set(self.tables("saved")):
            self._mark(table, "restored")
        for new in saved:
            old = self.newest().get(target_of(new.target))
            if old is None or old.state != "saved":
                self._document.targets.append(new)
                continue
            old.target, old.tags = new.target, old.tags | new.tags
            old.policies = _joined(old.policies, new.policies, "PolicyName")
            old.scheduled_actions = _joined(
                old.scheduled_actions, new.scheduled_actions, "ScheduledActionName"
            )
        self._write()

    def mark(self, table: str, state: State) -> None:
        """Say how far it has come with a table. What was restored stays so."""
        self._mark(table, state)
        self._write()

    def _mark(self, table: str, state: State) -> None:
        for saved in self.of(table):
            saved.state = state

    def _write(self) -> None:
        """Replace the file in one step, so that a crash leaves the old one or the new one."""
        part = self.path.with_name(f"{self.path.name}.part")
        with part.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self._document), indent=2))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)


def _joined(
    old: list[dict[str, Any]], new: list[dict[str, Any]], name: str
) -> list[dict[str, Any]]:
    return list({entry[name]: entry for entry in [*old, *new]}.values())


def record_name(account: str, region: str) -> str:
    return f"headroom-autoscaling-{account}-{region}.json"


# reading


def read(aws: Aws) -> Autoscaling:
    """Return all that Application Auto Scaling has for DynamoDB in this Region."""

    def everything(operation: str, key: str) -> list[Entry]:
        pages = aws.client(SERVICE).get_paginator(operation).paginate(ServiceNamespace=NAMESPACE)
        return [entry for page in pages for entry in page[key]]

    return Autoscaling(
        everything("describe_scalable_targets", "ScalableTargets"),
        everything("describe_scaling_policies", "ScalingPolicies"),
        everything("describe_scheduled_actions", "ScheduledActions"),
    )


def _saved(aws: Aws, found: Autoscaling, now: datetime) -> list[Saved]:
    return [
        Saved(
            dict(entry),
            [dict(policy) for policy in found.policies if target_of(policy) == target_of(entry)],
            [dict(action) for action in found.actions if target_of(action) == target_of(entry)],
            _tags(aws, entry),
            now.isoformat(timespec="seconds"),
        )
        for entry in found.targets
    ]


def _tags(aws: Aws, entry: Entry) -> dict[str, str]:
    """Return a target's tags, without that of the stage. One without an ARN has no tags."""
    return {key: value for key, value in _all_tags(aws, entry).items() if key != TOPIC_TAG}


def _all_tags(aws: Aws, entry: Entry) -> dict[str, str]:
    arn = entry.get("ScalableTargetARN")
    return dict(aws.client(SERVICE).list_tags_for_resource(ResourceARN=arn)["Tags"]) if arn else {}


def _stands_by(aws: Aws, entry: Entry) -> bool:
    """Tell whether a target was handed over before, and stands by."""
    is_suspended = all(dict(entry.get("SuspendedState") or {"": False}).values())
    return is_suspended and _all_tags(aws, entry).get(TOPIC_TAG) == aws.topic_arn


# over


def hand_over(new_run: NewRun, record: Record, table: str, print_line: PrintLine) -> None:
    """Hand one table over. Raises HandoverError where it stops: what stands, and how to go on."""
    run = new_run()
    aws = run.aws
    with _step(table, "looking at it", "nothing was changed"):
        state = _check_ready(run, table)
        registered = read(aws).only([table])
        left = _left(run, state, registered)
        standing = {target_of(entry) for entry in registered.targets if _stands_by(aws, entry)}
        own = registered.where(lambda target: target not in {*left, *standing})
        record.add(_saved(aws, own, run.now))
    action = (
        f"{_counted(own)} saved" if own.targets else "going on; what was deregistered before stands"
    )
    print_line(f"{table}: {action} in {record.path}")
    for target, why in left.items():
        print_line(f"{target}: not handed over: {why}")
    with _step(table, "making Headroom's alarms", "Application Auto Scaling manages it as before"):
        _make_alarms(new_run(), table, print_line)
    if run.config.has_understudy(table):
        _suspend_all(aws, table, own, print_line)
    else:
        _deregister_all(aws, table, own, print_line)
    with _step(table, "looking at it", "it is Headroom's now, and the next sweep looks at it, too"):
        # a sweep in between removes alarms of what was not Headroom's yet
        _make_alarms(new_run(), table, print_line)
        report = handlers.preview(new_run(), table)
        for line in map(sentence, (*report.skips, *report.decisions, *report.done)):
            print_line(line)
        if report.failures:
            raise HandoverError("; ".join(map(str, report.failures)))
    record.mark(table, "handed over")
    print_line(f"{table}: handed over")


def _left(run: Run, state: TableState, registered: Autoscaling) -> dict[Target, str]:
    """Return the targets that stay with Application Auto Scaling, and why."""
    understudy = run.config.understudy if run.config.has_understudy(state.name) else None
    missing = understudy.without(state.replicas) if understudy else []
    if understudy and not missing:
        return {}
    why = (
        f"its writes are replicated to {', '.join(missing)}, which understudy.regions does not name"
        if understudy
        else application_autoscaling.REPLICATED.format(", ".join(state.replicas))
    )
    targets = map(target_of, registered.targets)
    return {target: why for target in targets if state.replicates(target)}


def _deregister_all(aws: Aws, table: str, own: Autoscaling, print_line: PrintLine) -> None:
    with _step(
        table,
        "deregistering its scalable targets",
        "Headroom's alarms watch it; what was removed stands in the record",
    ):
        for entry in own.targets:
            _deregister(aws, entry)
            print_line(f"{table}: deregistered {target_of(entry)}")
        _await_gone(aws, {target_of(entry) for entry in own.everything()})


def _suspend_all(aws: Aws, table: str, own: Autoscaling, print_line: PrintLine) -> None:
    """Keep the targets, with their policies, for the understudy. The tag comes first: a sweep
    completes what has it."""
    client = aws.client(SERVICE)
    with _step(table, "suspending its scalable targets", "Headroom's alarms watch it"):
        for entry in own.targets:
            named = {key: entry[key] for key in KEYS}
            arn = entry.get("ScalableTargetARN")
            # one from before 2023 gets an ARN when it is registered again
            arn = arn or client.register_scalable_target(**named)["ScalableTargetARN"]
            client.tag_resource(ResourceARN=arn, Tags={TOPIC_TAG: aws.topic_arn})
            client.register_scalable_target(**named, SuspendedState=autoscaling.SUSPENDED)
            print_line(f"{table}: kept {target_of(entry)}, suspended")


@contextlib.contextmanager
def _step(table: str, doing: str, stands: str) -> Iterator[None]:
    """Say of a failure which table, which step, what stands, and how to go on."""
    try:
        yield
    except (HandoverError, *AwsError) as error:
        raise HandoverError(
            f"{table}: {doing}: {error}. {stands[:1].upper()}{stands[1:]}; the same command "
            "again goes on"
        ) from error


def _counted(found: Autoscaling) -> str:
    named = (
        (found.targets, "target", "targets"),
        (found.policies, "policy", "policies"),
        (found.actions, "scheduled action", "scheduled actions"),
    )
    return ", ".join(f"{len(part)} {one if len(part) == 1 else many}" for part, one, many in named)


def _check_ready(run: Run, table: str) -> TableState:
    """Return the table. Raises HandoverError where Headroom would not take it up."""
    if not run.config.manages(table):
        raise HandoverError("no rule of the configuration names it; put it in and deploy first")
    state = describe_tables(run.aws, [table])[table]
    if isinstance(state, Exception):
        raise state
    if state is None or state.on_demand:
        why = "is billed on demand" if state else "does not exist"
        raise HandoverError(
            f"it {why}, so there is nothing to hand over; deregister its targets by hand"
        )
    if any(run.policy(target).dry_run for target in state.targets()):
        raise HandoverError("dry_run = true would leave it to nobody; take it out and deploy first")
    _check_topic(run.aws)
    return state


def _check_topic(aws: Aws) -> None:
    sns = aws.client("sns")
    try:
        sns.get_topic_attributes(TopicArn=aws.topic_arn)
    except sns.exceptions.NotFoundException:
        raise HandoverError(
            f"there is no topic {aws.topic_arn}; "
            "deploy Headroom first, or name its topic with --topic"
        ) from None


def _make_alarms(run: Run, table: str, print_line: PrintLine) -> None:
    """Make those of Headroom's alarms that the table lacks, for the units that hold now."""
    report = handlers.preview(replace(run, dry_run=True), table)
    if report.failures:
        raise HandoverError("; ".join(map(str, report.failures)))
    units_now = [
        structs.replace(decision, desired=decision.current)
        for decision in report.decisions
        if decision.reason is not Reason.GLOBAL_TABLE
    ]
    for action in _missing(run, units_now):
        run.pace_alarm_write()
        create_alarm(run.aws, action)
        print_line(sentence(action))


def _missing(run: Run, decisions: Sequence[Decision]) -> list[Any]:
    aws = run.aws
    alarms = alarms_named(aws, [table_alarms.name_of(decision.target) for decision in decisions])
    topic = aws.topic_arn
    others = [a.name for a in alarms if topic not in a.fields.get("AlarmActions", [])]  # type: ignore[operator]
    if others:
        raise HandoverError(f"alarm {', '.join(others)} does not notify {topic}; delete it")
    policies = {decision.target: run.policy(decision.target) for decision in decisions}
    units = {decision.target: decision.desired for decision in decisions}
    return list(plan.missing_alarms(units, alarms, policies, topic))


def _deregister(aws: Aws, entry: Entry) -> None:
    client = aws.client(SERVICE)
    with contextlib.suppress(client.exceptions.ObjectNotFoundException):  # somebody else was faster
        client.deregister_scalable_target(**{key: entry[key] for key in KEYS})


def _await_gone(aws: Aws, targets: Collection[Target]) -> None:
    """See that nothing of the targets is left. Raises HandoverError where something still is, after
    a while."""
    for seconds in PATIENCE_SECONDS:
        aws.sleep(seconds)
        left = read(aws).where(lambda target: target in targets).everything()
        if not left:
            return
    raise HandoverError(
        "Application Auto Scaling still has "
        f"{', '.join(map(application_autoscaling.subject_of, left))}"
    )


# back


def take_back(aws: Aws, record: Record, table: str, now: Clock, print_line: PrintLine) -> None:
    """Register again what was saved of a table, then remove Headroom's alarms of it. Raises
    HandoverError where it stops."""
    stands = "what is registered stays so, and Headroom's alarms still watch it"
    with _step(table, "registering what was saved", stands):
        failed = []
        for saved in record.of(table):
            try:
                _register(aws, saved, now(), print_line)
            except AwsError as error:
                # an index that is gone must not keep the others from coming back
                failed.append(str(error))
        if failed:
            raise HandoverError("; ".join(failed))
    with _step(table, "removing Headroom's alarms", "Application Auto Scaling has it"):
        _remove_alarms(aws, table, print_line)
    record.mark(table, "restored")
    print_line(
        f"{table}: Application Auto Scaling has it again. Take its rule out of the "
        "configuration; until then sweeps pass it over"
    )


def _register(aws: Aws, saved: Saved, now: datetime, print_line: PrintLine) -> None:
    client, target = aws.client(SERVICE), target_of(saved.target)
    given = _settable(client, "RegisterScalableTarget", saved.target)
    if SERVICE_LINKED in given.get("RoleARN", ""):
        del given["RoleARN"]  # it is AWS's to name
    kept = read(aws).only_of(target).targets
    tags = {"Tags": saved.tags} if saved.tags and not kept else {}
    client.register_scalable_target(**given, **tags)
    for arn in (entry.get("ScalableTargetARN") for entry in kept):
        if arn:  # without the tag no sweep suspends it again
            client.untag_resource(ResourceARN=arn, TagKeys=[TOPIC_TAG])
    print_line(f"{target.table}: registered {target}")
    for policy in saved.policies:
        _patiently(
            aws,
            partial(client.put_scaling_policy, **_settable(client, "PutScalingPolicy", policy)),
        )
        print_line(f"{target.table}: registered {application_autoscaling.subject_of(policy)}")
    for action in saved.scheduled_actions:
        why = application_autoscaling.over(action, now)
        if not why:
            _patiently(aws, partial(client.put_scheduled_action, **_action(client, action, now)))
        print_line(
            f"{target.table}: {f'left out: {why}:' if why else 'registered'} "
            f"{application_autoscaling.subject_of(action)}"
        )


def _settable(client: Any, operation: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a description is a parameter of the call that makes it."""
    members = client.meta.service_model.operation_model(operation).input_shape.members
    return {key: value for key, value in entry.items() if key in members and value is not None}


def _action(client: Any, entry: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return an action's parameters. One that has begun needs no beginning any more, and may be
    refused with one in the past."""
    given = _settable(client, "PutScheduledAction", entry)
    start = application_autoscaling.time_of(given.get("StartTime"))
    if start and start <= now:
        del given["StartTime"]
    return given


def _patiently(aws: Aws, call: Callable[[], Any]) -> None:
    """Make a call that may not know yet what was registered a moment ago."""
    missing = aws.client(SERVICE).exceptions.ObjectNotFoundException
    for seconds in PATIENCE_SECONDS[1:]:
        try:
            call()
        except missing:
            aws.sleep(seconds)
        else:
            return
    call()


def _remove_alarms(aws: Aws, table: str, print_line: PrintLine) -> None:
    state = describe_tables(aws, [table])[table]
    if isinstance(state, Exception):
        raise state
    targets = (
        state.targets()
        if isinstance(state, TableState)
        else [Target(table, "", dimension) for dimension in Dimension]
    )
    found = alarms_named(aws, [table_alarms.name_of(target) for target in targets])
    names = tuple(sorted(alarm.name for alarm in found if table_alarms.is_ours(alarm)))
    if names:
        delete_alarms(aws, DeleteAlarms(names))
        print_line(sentence(DeleteAlarms(names)))
