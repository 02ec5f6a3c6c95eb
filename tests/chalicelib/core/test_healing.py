"""Healing, decided: every rule that leaves an instance alone, the budget, and the laws that hold
whatever the facts."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.config.healing import Healing, rule_for
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
from chalicelib.model import Reason
from tests.support.builders import NOON
from tests.support.laws import COSTLY

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

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
    members[0] = structs.replace(
        members[0], **{"failing": ("instance",), "passing": False, **(sick or {})}
    )
    return InstanceGroup("web", tuple(members), **{"watched": frozenset(ids), **fields})


def failing(group: InstanceGroup, *numbers: int) -> InstanceGroup:
    """The same group, with these members failing, too."""
    members = [
        structs.replace(m, failing=("system",), passing=False) if n in numbers else m
        for n, m in enumerate(group.members)
    ]
    return structs.replace(group, members=tuple(members))


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
        id="protected may be reported",
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
    pytest.param(web(1), {}, Reason.STATUS_CHECK_FAILED, id="the only one, which is not healthy"),
    pytest.param(
        web(1),
        {"heal_only_member": False},
        Reason.LAST_HEALTHY,
        id="the only one is left to people",
    ),
    pytest.param(
        web(2), {"heal_only_member": False}, Reason.STATUS_CHECK_FAILED, id="there is another one"
    ),
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
        id="an outage is reported",
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
        structs.replace(web(), members=(*web().members, member("i-99", lifecycle="Terminating"))),
        {},
        Reason.HEALING_BUDGET,
        id="one is going",
    ),
    pytest.param(
        structs.replace(web(), members=(*web().members, member("i-99", healthy=False))),
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
        structs.replace(m, failing_since=NOON - MINUTE * since[n]) if n in since else m
        for n, m in enumerate(group.members)
    )
    verdicts = decide(structs.replace(group, members=members), rule(max_instances=2), NOON)
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


def test_a_well_instance_without_an_alarm_gets_no_decision() -> None:
    assert [v.instance for v in decide(web(), rule(), NOON, {"i-03"})] == ["i-00", "i-03"]


@pytest.mark.parametrize(
    ("action", "acts"), [("replace", True), ("reboot", True), ("recover", False), ("notify", False)]
)
def test_headroom_itself_replaces_and_reboots_and_no_more(action: Any, acts: bool) -> None:
    (verdict,) = decide(web(), rule(action=action), NOON)
    assert (verdict.acts, verdict.is_failed, verdict.action) == (acts, True, action)


def test_the_first_rule_that_names_a_group_holds() -> None:
    rules = [rule(group="web-eu"), rule(group="web-*", action="notify")]
    assert rule_for(rules, "web-eu") is rules[0]
    assert rule_for(rules, "web-us") is rules[1]
    assert rule_for(rules, "batch") is None


def test_a_verdict_says_itself_with_its_numbers() -> None:
    (verdict,) = decide(web(suspended=frozenset({"AZRebalance"})), rule(dry_run=True), NOON)
    assert sentence(verdict) == (
        "dry run: instance i-00 of group web is replaced: its status checks fail "
        "(StatusCheckFailed; failing instance, "
        "lifecycle InService, zone a, in service 10, healthy 9, unhealthy 1, healed 0, "
        "allowed 1, within minutes 60, "
        "cooldown minutes 10, suspended AZRebalance)"
    )
    assert sentence(decide(web(1), rule(heal_only_member=False), NOON)[0]).startswith(
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
    heal_only_member=st.booleans(),
)


@pytest.mark.slow
@COSTLY
@given(GROUPS, RULES, st.sets(st.sampled_from(IDS)))
def test_whatever_the_facts_the_budget_holds_and_nobody_is_touched_who_may_not_be(
    group: InstanceGroup, healing: Healing, alarmed: set[str]
) -> None:
    by_id = {m.instance: m for m in group.members}
    chosen = {v.instance for v in decide(group, healing, NOON, alarmed) if v.acts}
    since = NOON - MINUTE * healing.within_minutes
    before = {e.instance for e in group.events if e.what is not EventKind.JOINED and e.at > since}
    before |= {m.instance for m in group.members if not m.healthy or m.lifecycle == "Terminating"}
    in_service = [m for m in group.members if m.lifecycle == "InService"]
    assert not chosen or len(before | chosen) <= min(
        healing.max_instances, max(1, len(in_service) * healing.max_percent // 100)
    )
    for instance in chosen:
        found = by_id[instance]
        assert (found.lifecycle, found.healthy, found.protected) == ("InService", True, False)
        assert found.failing
        assert not is_outage(group, found.zone)
    well = [m for m in in_service if m.healthy and m.passing and not m.failing]
    assert well or not chosen or (len(group.members) == 1 and healing.heal_only_member)
    assert not chosen & {m.instance for m in well}


SICKENING = st.lists(st.sets(st.integers(0, 11), max_size=4), min_size=1, max_size=60)


@pytest.mark.slow
@COSTLY
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
            structs.replace(m, failing=("instance",), passing=False) if n in sick else m
            for n, m in enumerate(group.members)
        ]
        chosen = [
            v.instance
            for v in decide(structs.replace(group, members=tuple(members)), healing, now)
            if v.acts
        ]
        healed += [(now, instance) for instance in chosen]
        what = EventKind.REPLACED if healing.action == "replace" else EventKind.REBOOTED
        group = structs.replace(
            group,
            events=(*group.events, *(MemberEvent(instance, now, what) for instance in chosen)),
        )
        if not stays:
            fresh = [
                m
                if m.instance not in chosen
                else structs.replace(m, instance=f"{m.instance}-{step}")
                for m in members
            ]
            group = structs.replace(
                group,
                members=tuple(structs.replace(m, failing=(), passing=True) for m in fresh),
                watched=frozenset(m.instance for m in fresh),
            )
    for now, _ in healed:
        assert len(
            {
                instance
                for at, instance in healed
                if now <= at < now + MINUTE * healing.within_minutes
            }
        ) <= healing.allowed(12)
