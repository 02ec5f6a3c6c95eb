"""Healing: its notifications and its dry runs."""

from dataclasses import replace

import pytest

from chalicelib import handlers
from chalicelib.healing import reconcile
from chalicelib.metrics import EC2
from chalicelib.model import Reason
from headroom.region.context import ACCOUNT
from headroom.region.region import Region
from tests.support.healing import (
    OPERATORS,
    alarm_of,
    healing,
    inbox,
    of_zone,
    quick,
    touched,
    verdicts,
    web,
)
from tests.support.scenes import (
    failures,
    log_lines,
    new_run,
    record_invocations,
    send,
)

pytestmark = pytest.mark.scene.with_args(web)

# notifications


@pytest.mark.scene(web, healing(notify_topic=OPERATORS))
def test_a_replacement_is_reported_when_it_is_done_and_a_refusal_once(
    region: Region, ids: list[str]
) -> None:
    read = inbox(region)
    region.groups.fail_checks(ids[0])
    region.run(6)
    ((subject, text),) = read()
    assert subject == "Headroom healed instances of group web"
    assert text.startswith(
        f"instance {ids[0]} of group web is replaced: its status checks fail (StatusCheckFailed"
    )
    region.groups.fail_checks(ids[1])
    region.run(20)
    ((subject, text),) = read()
    assert subject == "Failed instances of group web are left alone"
    assert "(HealingBudgetUsedUp" in text
    tags = region.client("cloudwatch").list_tags_for_resource(
        ResourceARN=f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{alarm_of(ids[1])}"
    )["Tags"]
    assert "headroom-told-healing-HealingBudgetUsedUp" in {tag["Key"] for tag in tags}


@pytest.mark.scene(web, healing(notify_topic=OPERATORS))
def test_a_new_container_does_not_report_it_again(region: Region, ids: list[str]) -> None:
    read = inbox(region)
    region.groups.fail_checks(*of_zone(region, "us-east-1a", ids))
    region.run(6)
    assert len(read()) >= 1
    run = replace(new_run(region, healing(notify_topic=OPERATORS)), aws=quick())
    assert reconcile.reconcile(run, set(ids)) == {}
    handlers.notify(run)
    assert read() == []


@pytest.mark.scene(web, healing(notify_topic=OPERATORS))
def test_an_outage_is_reported_in_few_words_and_once(region: Region, ids: list[str]) -> None:
    read = inbox(region)
    region.groups.fail_checks(*of_zone(region, "us-east-1a", ids))
    region.run(30)
    reported = read()
    assert (
        1 <= len(reported) <= 3
    )  # an alarm after the other fires within a minute; each instance is reported once
    assert sum(text.count("(Outage") for _, text in reported) == 3


@pytest.mark.scene(web, healing(notify_topic=OPERATORS))
def test_a_notifier_that_fails_stops_no_healing_and_is_raised(
    region: Region, ids: list[str]
) -> None:
    invocations = record_invocations(region)
    region.groups.fail_checks(ids[0])
    region.run(4)
    assert touched(region) == [ids[0]]
    assert any("NotFound" in str(failures(i)) for i in invocations)


# dry runs


@pytest.mark.scene(web, healing(dry_run=True, notify_topic=OPERATORS))
def test_a_dry_run_of_a_rule_decides_and_reports_and_changes_nothing(
    region: Region, ids: list[str]
) -> None:
    read = inbox(region)
    invocations = record_invocations(region)
    region.groups.fail_checks(ids[0])
    region.run(10)
    assert (region.cloudwatch.alarms, touched(region)) == ({}, [])
    assert read() == []
    (line, *_) = [
        line for i in invocations if i.function == "sweep" for line in log_lines(i, "verdict")
    ]
    assert (line["instance"], line["reason"], line["dry_run"]) == (
        ids[0],
        "StatusCheckFailed",
        True,
    )
    assert line["message"].startswith(f"dry run: instance {ids[0]} of group web is replaced")


@pytest.mark.scene(web, healing(dry_run=True, notify_topic=OPERATORS))
def test_a_dry_run_does_not_report_a_refusal_either(region: Region, ids: list[str]) -> None:
    read = inbox(region)
    region.groups.fail_checks(*of_zone(region, "us-east-1a", ids))
    trigger = {
        "Namespace": EC2,
        "MetricName": "StatusCheckFailed",
        "Dimensions": [{"name": "InstanceId", "value": ids[0]}],
    }
    invocation = send(region, {"AlarmName": "theirs", "NewStateValue": "ALARM", "Trigger": trigger})
    assert "Outage" in verdicts(invocation).values()
    assert read() == []


def test_an_operator_who_asks_hears_what_would_be_done_and_nothing_is(
    region: Region, ids: list[str]
) -> None:
    region.groups.fail_checks(ids[0])
    found = reconcile.preview(new_run(region, healing(), dry_run=True), "web")
    assert [(v.instance, v.reason) for v in found.healing_decisions if v.acts] == [
        (ids[0], Reason.STATUS_CHECK_FAILED)
    ]
    assert (len(found.healing_decisions), len(found.planned), found.done, touched(region)) == (
        6,
        1,
        [],
        [],
    )
    gone = reconcile.preview(new_run(region, healing("*"), dry_run=True), "api")
    assert [(s.subject, s.reason) for s in gone.skips] == [("api", Reason.GONE)]
