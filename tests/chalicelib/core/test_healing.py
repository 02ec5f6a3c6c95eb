"""Healing, decided: every rule that leaves an instance alone, the budget, and the laws that hold
whatever the facts."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.aws import groups
from chalicelib.config.healing import Healing, rule_for
from chalicelib.core import instance_alarms
from chalicelib.core.explain import sentence
from chalicelib.core.healing import (
    EventKind,
    HealingDecision,
    InstanceGroup,
    Member,
    MemberEvent,
    decide,
    is_outage,
)
from chalicelib.core.notices import NotificationState
from chalicelib.core.table_alarms import is_ours as is_a_tables
from chalicelib.core.table_alarms import name_of as name_of_table
from chalicelib.healing.notify import is_due
from chalicelib.model import Alarm, Dimension, Reason, Target
from tests.support.builders import NOON, TOPIC

SICK = "i-00"
MINUTE = timedelta(minutes=1)


def rule(**settings: Any) -> Healing:
    return Healing(**{"group": "web", **settings})


def member(instance: str = SICK, **fields: Any) -> Member:
    return Member(**{"instance": instance, "zone": "a", **fields})


def web(
    size: int = 10, sick: dict[str, Any] | None = None, zones: str = "ab", **fields: Any
) -> InstanceGroup:
    """A group of so many well members, but for the first; spread over zones, all of them with an
    alarm."""
    ids = [f"i-{number:02}" for number in range(size)]
    members = [member(i, zone=zones[n % len(zones)]) for n, i in enumerate(ids)]
    members[0] = replace(members[0], **{"failing": ("instance",), "passing": False, **(sick or {})})
    return InstanceGroup("web", tuple(members), **{"watched": frozenset(ids), **fields})


def failing(group: InstanceGroup, *numbers: int) -> InstanceGroup:
    """The same group, with these members failing, too."""
    members = [
        replace(m, failing=("system",), passing=False) if n in numbers else m
        for n, m in enumerate(group.members)
    ]
    return replace(group, members=tuple(members))


def event(what: EventKind, minutes_ago: float, instance: str = SICK) -> MemberEvent:
    return MemberEvent(instance, NOON - MINUTE * minutes_ago, what)


def reasons(verdicts: list[HealingDecision]) -> dict[str, Reason]:
    return {verdict.instance: verdict.reason for verdict in verdicts}


def reason(group: InstanceGroup, **settings: Any) -> Reason:
    return reasons(decide(group, rule(**settings), NOON, {SICK}))[SICK]


# one rule after the other

JOINED, REPLACED, REBOOTED = EventKind.JOINED, EventKind.REPLACED, EventKind.REBOOTED
CASES = [
    pytest.param(web(), {}, Reason.STATUS_CHECK_FAILED, id="sick"),
    pytest.param(
        web(sick={"failing": ("system",)}), {}, Reason.STATUS_CHECK_FAILED, id="its host is sick"
    ),
    pytest.param(
        web(sick={"failing": ("attached_ebs",)}),
        {},
        Reason.STATUS_CHECK_FAILED,
        id="its volume is sick",
    ),
    pytest.param(
        web(sick={"failing": ()}),
        {},
        Reason.NOT_FAILING,
        id="the alarm is late: nothing fails any more",
    ),
    pytest.param(
        web(sick={"failing": (), "passing": False}),
        {},
        Reason.NOT_FAILING,
        id="not known is not failing",
    ),
    pytest.param(web(sick={"healthy": False}), {}, Reason.BEING_REPLACED, id="marked already"),
    pytest.param(web(sick={"lifecycle": "Terminating"}), {}, Reason.BEING_REPLACED, id="going"),
    pytest.param(
        web(sick={"lifecycle": "Terminating:Wait"}),
        {},
        Reason.BEING_REPLACED,
        id="going, at a lifecycle hook",
    ),
    pytest.param(web(sick={"lifecycle": "Terminated"}), {}, Reason.BEING_REPLACED, id="gone"),
    pytest.param(web(sick={"lifecycle": "Standby"}), {}, Reason.NOT_IN_SERVICE, id="in standby"),
    pytest.param(
        web(sick={"lifecycle": "EnteringStandby"}), {}, Reason.NOT_IN_SERVICE, id="entering standby"
    ),
    pytest.param(web(sick={"lifecycle": "Detaching"}), {}, Reason.NOT_IN_SERVICE, id="detaching"),
    pytest.param(web(sick={"lifecycle": "Detached"}), {}, Reason.NOT_IN_SERVICE, id="detached"),
    pytest.param(web(sick={"lifecycle": "Pending:Wait"}), {}, Reason.NOT_IN_SERVICE, id="coming"),
    pytest.param(
        web(sick={"lifecycle": "Warmed:Stopped"}), {}, Reason.NOT_IN_SERVICE, id="in a warm pool"
    ),
    pytest.param(web(sick={"protected": True}), {}, Reason.PROTECTED, id="protected"),
    pytest.param(
        web(sick={"protected": True}),
        {"action": "notify"},
        Reason.STATUS_CHECK_FAILED,
        id="protected may be told of",
    ),
    pytest.param(
        web(events=(event(JOINED, 9),)),
        {},
        Reason.LAUNCHED_RECENTLY,
        id="launched nine minutes ago",
    ),
    pytest.param(
        web(events=(event(JOINED, 10),)),
        {},
        Reason.STATUS_CHECK_FAILED,
        id="launched ten minutes ago",
    ),
    pytest.param(
        web(events=(event(JOINED, 9, "i-01"),)),
        {},
        Reason.STATUS_CHECK_FAILED,
        id="another was launched",
    ),
    pytest.param(
        web(events=(event(JOINED, 9),)),
        {"cooldown_minutes": 5},
        Reason.STATUS_CHECK_FAILED,
        id="a shorter cooldown",
    ),
    pytest.param(
        web(events=(event(JOINED, 14),), grace=15 * MINUTE),
        {},
        Reason.LAUNCHED_RECENTLY,
        id="within the group's grace period",
    ),
    pytest.param(
        web(suspended=frozenset({"ReplaceUnhealthy"})),
        {},
        Reason.PROCESS_SUSPENDED,
        id="ReplaceUnhealthy suspended",
    ),
    pytest.param(
        web(suspended=frozenset({"Terminate"})),
        {},
        Reason.PROCESS_SUSPENDED,
        id="Terminate suspended",
    ),
    pytest.param(
        web(suspended=frozenset({"Launch"})), {}, Reason.PROCESS_SUSPENDED, id="Launch suspended"
    ),
    pytest.param(
        web(suspended=frozenset({"HealthCheck"})),
        {},
        Reason.PROCESS_SUSPENDED,
        id="HealthCheck suspended",
    ),
    pytest.param(
        web(suspended=frozenset({"AZRebalance"})),
        {},
        Reason.STATUS_CHECK_FAILED,
        id="another process suspended",
    ),
    pytest.param(
        web(suspended=frozenset({"ReplaceUnhealthy"})),
        {"action": "reboot"},
        Reason.STATUS_CHECK_FAILED,
        id="no matter for a reboot",
    ),
    pytest.param(web(1), {}, Reason.LAST_HEALTHY, id="the only one"),
    pytest.param(web(2, zones="ab"), {}, Reason.STATUS_CHECK_FAILED, id="one of two"),
    pytest.param(
        InstanceGroup("web", (*web(1).members, member("i-01", lifecycle="Standby"))),
        {},
        Reason.LAST_HEALTHY,
        id="the other is in standby",
    ),
    pytest.param(
        InstanceGroup("web", (*web(1).members, member("i-01", passing=False))),
        {},
        Reason.LAST_HEALTHY,
        id="the other is still booting",
    ),
    pytest.param(
        InstanceGroup("web", (*web(1).members, member("i-01", healthy=False))),
        {},
        Reason.LAST_HEALTHY,
        id="the other is being replaced",
    ),
    pytest.param(failing(web(), 2, 4, 6, 8), {}, Reason.OUTAGE, id="all five of a zone"),
    pytest.param(
        failing(web(), 2, 4, 6), {}, Reason.STATUS_CHECK_FAILED, id="four of a zone's five"
    ),
    pytest.param(failing(web(10, zones="abcde"), 5), {}, Reason.OUTAGE, id="both of a zone"),
    pytest.param(
        failing(web(9, zones="abc"), 1, 2, 4, 5), {}, Reason.OUTAGE, id="most of the group"
    ),
    pytest.param(
        failing(web(10, zones="abc"), 1, 2, 4, 5),
        {},
        Reason.STATUS_CHECK_FAILED,
        id="half of the group",
    ),
    pytest.param(
        failing(web(), 2, 4, 6, 8),
        {"action": "notify"},
        Reason.OUTAGE,
        id="an outage is what is told",
    ),
    pytest.param(
        web(events=(event(REPLACED, 59, "i-99"),)),
        {},
        Reason.HEALING_BUDGET,
        id="one was replaced within the hour",
    ),
    pytest.param(
        web(events=(event(REPLACED, 60, "i-99"),)),
        {},
        Reason.STATUS_CHECK_FAILED,
        id="one was replaced an hour ago",
    ),
    pytest.param(
        web(events=(event(REPLACED, 59, "i-99"),)),
        {"within_minutes": 30},
        Reason.STATUS_CHECK_FAILED,
        id="a shorter time",
    ),
    pytest.param(
        web(events=(event(REBOOTED, 5, "i-03"),)),
        {"action": "reboot"},
        Reason.HEALING_BUDGET,
        id="one was rebooted",
    ),
    pytest.param(
        web(events=(event(REBOOTED, 59),)),
        {"action": "reboot"},
        Reason.REBOOTED_RECENTLY,
        id="it was rebooted itself",
    ),
    pytest.param(
        web(watched=frozenset()),
        {"action": "reboot"},
        Reason.NOT_WATCHED,
        id="nowhere to write a reboot down",
    ),
    pytest.param(
        web(watched=frozenset()), {}, Reason.STATUS_CHECK_FAILED, id="a replacement needs no alarm"
    ),
    pytest.param(
        replace(web(), members=(*web().members, member("i-99", lifecycle="Terminating"))),
        {},
        Reason.HEALING_BUDGET,
        id="one is going",
    ),
    pytest.param(
        replace(web(), members=(*web().members, member("i-99", healthy=False))),
        {},
        Reason.HEALING_BUDGET,
        id="one is marked",
    ),
    pytest.param(
        web(events=(event(REPLACED, 9, "i-99"),)),
        {"action": "notify"},
        Reason.STATUS_CHECK_FAILED,
        id="no budget for telling",
    ),
]


@pytest.mark.parametrize(("group", "settings", "expected"), CASES)
def test_a_sick_instance_is_healed_unless_something_speaks_against_it(
    group: InstanceGroup, settings: dict[str, Any], expected: Reason
) -> None:
    assert reason(group, **settings) is expected


def test_every_reason_about_instances_has_a_row() -> None:
    assert {case.values[2] for case in CASES} == set(
        list(Reason)[list(Reason).index(Reason.STATUS_CHECK_FAILED) :]
    )


@pytest.mark.parametrize(
    ("in_service", "settings", "allowed"),
    [
        pytest.param(10, {}, 1, id="one by default"),
        pytest.param(10, {"max_instances": 5}, 2, id="a fifth of ten"),
        pytest.param(14, {"max_instances": 5}, 2, id="rounded down"),
        pytest.param(3, {"max_instances": 5}, 1, id="one at the least"),
        pytest.param(0, {"max_instances": 5}, 1, id="of none"),
        pytest.param(100, {"max_instances": 5}, 5, id="the lesser of the two"),
        pytest.param(10, {"max_instances": 50, "max_percent": 100}, 10, id="all of them"),
    ],
)
def test_the_budget(in_service: int, settings: dict[str, Any], allowed: int) -> None:
    assert rule(**settings).allowed(in_service) == allowed


def test_of_several_sick_ones_the_longest_sick_come_first_as_far_as_the_budget_goes() -> None:
    since = {2: 5, 4: 9, 7: 3}
    group = failing(web(sick={"failing_since": NOON - MINUTE * 4}), *since)
    members = tuple(
        replace(m, failing_since=NOON - MINUTE * since[n]) if n in since else m
        for n, m in enumerate(group.members)
    )
    verdicts = decide(replace(group, members=members), rule(max_instances=2), NOON)
    assert [(v.instance, v.reason, v.acts) for v in verdicts] == [
        ("i-04", Reason.STATUS_CHECK_FAILED, True),
        ("i-02", Reason.STATUS_CHECK_FAILED, True),
        ("i-00", Reason.HEALING_BUDGET, False),
        ("i-07", Reason.HEALING_BUDGET, False),
    ]


def test_two_alarms_at_once_choose_the_same_instance() -> None:
    group = failing(web(), 5)
    one, other = decide(group, rule(), NOON, {"i-00"}), decide(group, rule(), NOON, {"i-05"})
    assert [v.instance for v in one if v.acts] == [v.instance for v in other if v.acts] == ["i-00"]


def test_who_is_well_and_not_asked_for_gets_no_verdict() -> None:
    assert [v.instance for v in decide(web(), rule(), NOON, {"i-03"})] == ["i-00", "i-03"]


@pytest.mark.parametrize(
    ("action", "acts"), [("replace", True), ("reboot", True), ("recover", False), ("notify", False)]
)
def test_headroom_itself_replaces_and_reboots_and_no_more(action: Any, acts: bool) -> None:
    (verdict,) = decide(web(), rule(action=action), NOON)
    assert (verdict.acts, verdict.is_sick, verdict.action) == (acts, True, action)


def test_the_first_rule_that_names_a_group_holds() -> None:
    rules = [rule(group="web-eu"), rule(group="web-*", action="notify")]
    assert rule_for(rules, "web-eu") is rules[0]
    assert rule_for(rules, "web-us") is rules[1]
    assert rule_for(rules, "batch") is None


def test_a_verdict_says_itself_with_its_numbers() -> None:
    (verdict,) = decide(web(suspended=frozenset({"AZRebalance"})), rule(dry_run=True), NOON)
    assert sentence(verdict) == (
        "dry run: instance i-00 of group web is replaced: its status checks fail (StatusCheckFailed; failing instance, "
        "lifecycle InService, zone a, in service 10, well 9, sick 1, healed 0, allowed 1, within minutes 60, "
        "cooldown minutes 10, suspended AZRebalance)"
    )
    assert sentence(decide(web(1), rule(), NOON)[0]).startswith(
        "instance i-00 of group web is left alone: no other member"
    )


# laws

IDS = [f"i-{number:02}" for number in range(8)]
MEMBERS = st.builds(
    Member,
    instance=st.sampled_from(IDS),
    zone=st.sampled_from("abc"),
    lifecycle=st.sampled_from(
        ["InService"] * 5 + ["Standby", "Terminating", "Pending", "Detaching"]
    ),
    healthy=st.sampled_from([True, True, True, False]),
    protected=st.sampled_from([False, False, True]),
    failing=st.sampled_from([(), (), (), ("instance",), ("system", "instance")]),
    failing_since=st.none() | st.integers(0, 90).map(lambda minutes: NOON - MINUTE * minutes),
    passing=st.booleans(),
)
EVENTS = st.builds(
    event, st.sampled_from(EventKind), st.integers(0, 200), st.sampled_from([*IDS, "i-98", "i-99"])
)
GROUPS = st.builds(
    InstanceGroup,
    name=st.just("web"),
    members=st.lists(MEMBERS, max_size=8, unique_by=lambda m: m.instance).map(tuple),
    suspended=st.sets(st.sampled_from(["Launch", "HealthCheck", "AZRebalance"]), max_size=1).map(
        frozenset
    ),
    grace=st.integers(0, 20).map(lambda minutes: MINUTE * minutes),
    events=st.lists(EVENTS, max_size=5).map(tuple),
    watched=st.sets(st.sampled_from(IDS)).map(frozenset),
)
RULES = st.builds(
    Healing,
    group=st.just("web"),
    action=st.sampled_from(["replace", "reboot"]),
    max_instances=st.integers(1, 5),
    max_percent=st.integers(1, 100),
    within_minutes=st.integers(1, 120),
    cooldown_minutes=st.integers(0, 30),
)


@given(GROUPS, RULES, st.sets(st.sampled_from(IDS)))
def test_whatever_the_facts_the_budget_holds_and_nobody_is_touched_who_may_not_be(
    group: InstanceGroup, healing: Healing, asked: set[str]
) -> None:
    by_id = {m.instance: m for m in group.members}
    chosen = {v.instance for v in decide(group, healing, NOON, asked) if v.acts}
    since = NOON - MINUTE * healing.within_minutes
    before = {e.instance for e in group.events if e.what is not EventKind.JOINED and e.at > since}
    before |= {m.instance for m in group.members if not m.healthy or m.lifecycle == "Terminating"}
    in_service = [m for m in group.members if m.lifecycle == "InService"]
    most = min(healing.max_instances, max(1, len(in_service) * healing.max_percent // 100))
    assert not chosen or len(before | chosen) <= most
    for instance in chosen:
        found = by_id[instance]
        assert (found.lifecycle, found.healthy, found.protected) == ("InService", True, False)
        assert found.failing
        assert not is_outage(group, found.zone)
    well = [m for m in in_service if m.healthy and m.passing and not m.failing]
    assert well or not chosen
    assert not chosen & {m.instance for m in well}


SICKENING = st.lists(st.sets(st.integers(0, 11), max_size=4), min_size=1, max_size=60)


@given(SICKENING, RULES, st.booleans())
def test_over_any_time_no_more_are_healed_than_the_budget_says(
    days: list[set[int]], healing: Healing, stays: bool
) -> None:
    """Time goes by in steps of five minutes; what is replaced comes back well (or as sick), and AWS
    remembers it."""
    group, healed = web(12, sick={"failing": (), "passing": True}, zones="abcd"), []
    for step, sick in enumerate(days):
        now = NOON + MINUTE * 5 * step
        members = [
            replace(m, failing=("instance",), passing=False) if n in sick else m
            for n, m in enumerate(group.members)
        ]
        chosen = [
            v.instance
            for v in decide(replace(group, members=tuple(members)), healing, now)
            if v.acts
        ]
        healed += [(now, instance) for instance in chosen]
        what = EventKind.REPLACED if healing.action == "replace" else EventKind.REBOOTED
        group = replace(
            group,
            events=(*group.events, *(MemberEvent(instance, now, what) for instance in chosen)),
        )
        if not stays:
            fresh = [
                m if m.instance not in chosen else replace(m, instance=f"{m.instance}-{step}")
                for m in members
            ]
            group = replace(
                group,
                members=tuple(replace(m, failing=(), passing=True) for m in fresh),
                watched=frozenset(m.instance for m in fresh),
            )
    for now, _ in healed:
        within = {
            instance for at, instance in healed if now <= at < now + MINUTE * healing.within_minutes
        }
        assert len(within) <= healing.allowed(12)


# what is read


@pytest.mark.parametrize(
    ("cause", "counts"),
    [
        (
            "At 2021-04-01T21:48:35Z an instance was taken out of service in response to a user health-check.",
            True,
        ),
        (
            "At 2026-11-20T11:00:00Z an instance was taken out of service in response to an EC2 instance status checks failure.",
            True,
        ),
        (
            "At … an instance was taken out of service in response to a EC2 health check indicating it has been terminated.",
            True,
        ),
        (
            "At … an instance was taken out of service in response to an ELB system health check failure.",
            True,
        ),
        (
            "At … instance i-0abc was taken out of service in response to a user request, shrinking the capacity from 4 to 3.",
            False,
        ),
        (
            "At … an instance was taken out of service in response to a difference between desired and actual capacity.",
            False,
        ),
    ],
)
def test_of_what_was_taken_out_of_service_only_what_was_for_its_health_counts(
    cause: str, counts: bool
) -> None:
    assert bool(groups.REPLACED.search(cause)) is counts


# the alarms of instances


def alarm(settings: dict[str, Any] | None = None, **fields: Any) -> Alarm:
    return Alarm(
        {**instance_alarms.new_fields("i-0abc", "web", rule(**(settings or {})), TOPIC), **fields}
    )


def test_an_instances_alarm_fires_when_any_check_fails_twice() -> None:
    fields = alarm().fields
    assert (
        fields["AlarmName"],
        fields["Namespace"],
        fields["MetricName"],
        fields["Statistic"],
    ) == ("headroom-instance/i-0abc:status", "AWS/EC2", "StatusCheckFailed", "Maximum")
    assert (
        fields["Dimensions"],
        fields["Period"],
        fields["EvaluationPeriods"],
        fields["DatapointsToAlarm"],
        fields["Threshold"],
    ) == ([{"Name": "InstanceId", "Value": "i-0abc"}], 60, 2, 2, 1.0)
    assert (fields["TreatMissingData"], fields["AlarmActions"]) == ("missing", [TOPIC])


def test_a_recovery_is_the_alarms_own_action_on_the_systems_check_in_the_topics_partition() -> None:
    topic = "arn:aws-cn:sns:cn-north-1:123456789012:headroom-alarms"
    fields = instance_alarms.new_fields("i-0abc", "web", rule(action="recover"), topic)
    assert (fields["AlarmName"], fields["MetricName"], fields["AlarmActions"]) == (
        "headroom-instance/i-0abc:recovery",
        "StatusCheckFailed_System",
        [topic, "arn:aws-cn:automate:cn-north-1:ec2:recover"],
    )


NAMES = st.from_regex(re.compile(r"[a-zA-Z0-9_.-]{3,60}"), fullmatch=True)


@given(
    NAMES,
    NAMES | st.just(""),
    st.sampled_from(Dimension),
    st.from_regex(r"i-[0-9a-f]{8,17}", fullmatch=True),
)
def test_no_tables_alarm_has_the_name_of_an_instances(
    table: str, index: str, dimension: Dimension, instance: str
) -> None:
    names = {
        instance_alarms.name_of(instance, rule(action=action)) for action in ("replace", "recover")
    }
    assert name_of_table(Target(table, index, dimension)) not in names


def test_an_instances_alarm_is_headrooms_by_name_and_metric_and_no_tables() -> None:
    assert (
        instance_alarms.is_ours(alarm()),
        is_a_tables(alarm()),
        instance_alarms.is_ours(alarm(AlarmName="web-status")),
        instance_alarms.is_ours(alarm(Dimensions=[{"Name": "InstanceId", "Value": "i-0def"}])),
    ) == (True, False, False, False)
    assert not instance_alarms.is_ours(alarm(Namespace="AWS/DynamoDB"))


def test_a_reboot_is_written_into_the_alarms_description_and_read_from_it() -> None:
    assert instance_alarms.rebooted_at(alarm()) is None
    once = Alarm({**alarm().fields, **instance_alarms.rebooting(alarm(), NOON)})
    assert once.fields["AlarmDescription"] == (
        "Headroom looks at instance i-0abc of group web when its status checks fail. Rebooted at 2026-11-20T12:00:00+00:00."
    )
    twice = Alarm({**once.fields, **instance_alarms.rebooting(once, NOON + MINUTE)})
    assert (
        str(twice.fields["AlarmDescription"]).count("Rebooted"),
        instance_alarms.rebooted_at(twice),
    ) == (1, NOON + MINUTE)


@pytest.mark.parametrize(
    "text", ["", "Rebooted", "x Rebooted at noon.", "x Rebooted at 2026-11-20T12:00:00."]
)
def test_a_description_that_tells_no_sure_time_tells_none(text: str) -> None:
    assert instance_alarms.rebooted_at(alarm(AlarmDescription=text)) is None


def test_the_alarms_are_for_those_in_service_and_recovery_spares_the_protected() -> None:
    group = InstanceGroup(
        "web", (member("i-1"), member("i-2", lifecycle="Standby"), member("i-3", protected=True))
    )
    assert (
        list(instance_alarms.wanted(group, rule())),
        list(instance_alarms.wanted(group, rule(action="recover"))),
    ) == (["i-1", "i-3"], ["i-1"])


# what is told


@pytest.mark.parametrize(
    ("state", "minutes_sick", "told_minutes_ago", "expected"),
    [
        pytest.param("ALARM", 5, None, True, id="never told"),
        pytest.param("ALARM", 5, 3, False, id="told since it is sick"),
        pytest.param("ALARM", 5, 6, True, id="told the last time"),
        pytest.param("OK", 5, None, False, id="its own alarm will call"),
    ],
)
def test_a_refusal_is_told_once_for_each_time_of_being_sick(
    state: str, minutes_sick: int, told_minutes_ago: int | None, expected: bool
) -> None:
    seen = alarm(StateValue=state, StateTransitionedTimestamp=NOON - MINUTE * minutes_sick)
    memory = NotificationState(
        notified=None if told_minutes_ago is None else NOON - MINUTE * told_minutes_ago
    )
    assert is_due(seen, memory, NOON) is expected


def test_without_an_alarm_of_its_own_a_refusal_is_told_once_a_day() -> None:
    assert (
        is_due(None, NotificationState(), NOON),
        is_due(None, NotificationState(notified=NOON - timedelta(hours=23)), NOON),
        is_due(None, NotificationState(notified=NOON - timedelta(hours=24)), NOON),
    ) == (True, False, True)
