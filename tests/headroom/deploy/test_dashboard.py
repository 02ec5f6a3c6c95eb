"""The dashboard of a stage is one that CloudWatch takes, and shows what there is to see."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.config.loader import load
from chalicelib.config.rules import Config
from headroom.deploy import dashboard
from headroom.deploy.account import AwsSession, Location
from headroom.deploy.dashboard import Part, dashboard_body
from headroom.project import ROOT
from tests.support.command_line import RunCommand
from tests.support.dashboard_schema import check
from tests.support.deployed import BEFORE_CALLS, account, dev, make_table, tear_down
from tests.support.real_deploy import configure, copy_project
from tests.support.scenes import rules

HERE = Location("aws", "us-east-1", "123456789012")
PART = Part("orders", "by-date")


def body_of(config: Config, *parts: Part) -> dict[str, Any]:
    return dashboard_body(dev(), config, HERE, parts)


def widgets(body: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [widget["properties"] for widget in body["widgets"] if widget["type"] == kind]


def graph(body: dict[str, Any], title: str) -> list[Any]:
    found: list[Any] = next(
        p["metrics"] for p in widgets(body, "metric") if p["title"].startswith(title)
    )
    return found


def test_a_target_shows_demand_capacity_the_alarms_level_and_throttling() -> None:
    config = load(rules("orders") + "\nread = { alarm_percent = 65 }")
    body = body_of(config, Part("orders"), PART)
    check(json.dumps(body))
    index = ["TableName", "orders", "GlobalSecondaryIndexName", "by-date"]
    consumed, demand, units, level, throttled = graph(body, "orders/by-date: reads")
    assert consumed[:-1] == ["AWS/DynamoDB", "ConsumedReadCapacityUnits", *index]
    assert (consumed[-1]["stat"], consumed[-1]["visible"]) == ("Sum", False)
    assert demand[0]["expression"] == "consumed/PERIOD(consumed)"
    assert units[1] == "ProvisionedReadCapacityUnits"
    assert (level[0]["expression"], level[0]["label"]) == ("units*65/100", "alarm at 65 percent")
    assert (throttled[1], throttled[-1]["yAxis"]) == ("ReadThrottleEvents", "right")
    causes = {line[1]: line[-1]["label"] for line in graph(body, "orders: throttled by")}
    assert causes["WriteKeyRangeThroughputThrottleEvents"] == "writes: hot partition"
    assert len(causes) == 6


def test_headrooms_own_widgets_show_metrics_that_it_publishes() -> None:
    body = body_of(load(rules("orders") + '\n[[healing]]\ngroup = "web"\n'))
    glossary = (ROOT / "docs" / "glossary.md").read_text().partition("## Log lines and metrics")[2]
    published = set(re.findall(r"`([A-Z]\w+)`", glossary))
    lines = [line for p in widgets(body, "metric") for line in p["metrics"]]
    own = [line for line in lines if line[0] == "Headroom"]
    assert {line[1] for line in own} == {
        *("ScaledUp", "ScaledDown", "WouldScale", "Healed", "Failed", "NotReached", "Skipped")
    }
    assert {line[1] for line in own} <= published
    assert {tuple(line[2:]) for line in own} == {("service", "headroom-dev")}
    functions = {line[3] for line in lines if line[0] == "AWS/Lambda"}
    assert functions == {f"headroom-dev-{name}" for name in dev().functions}
    assert "SOURCE '/aws/lambda/headroom-dev-on_alarm'" in widgets(body, "log")[0]["query"]


def test_many_tables_fit_into_cloudwatchs_quotas_and_the_rest_is_counted() -> None:
    body = body_of(load(rules("*")), *(Part(f"t{number}") for number in range(400)))
    check(json.dumps(body))
    assert len(body["widgets"]) == 500
    (text,), (alarms,) = widgets(body, "text"), widgets(body, "alarm")
    assert "**236 tables and indexes are left out**" in text["markdown"]
    assert alarms["title"] == "The first 100 of 331 alarms"


def test_a_dry_run_has_no_alarms_and_is_named() -> None:
    config = load('[[tables]]\nname = "orders"\nread = { dry_run = true }\n')
    body = body_of(config, Part("orders"))
    names = [arn.rsplit(":alarm:")[1] for arn in widgets(body, "alarm")[0]["alarms"]]
    assert names == [
        *("headroom-dev-errors", "headroom-dev-dead-letters", "headroom-dev-silence"),
        "headroom-orders:write",
    ]
    assert "**dry run**" in widgets(body, "text")[0]["markdown"]


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (3, "17 widgets, 54 metrics: 3.00 USD a month"),
        (1, "11 widgets, 30 metrics: free as one of the account's first 3 dashboards, else 3.00"),
    ],
)
def test_the_price_is_said(tables: int, words: str) -> None:
    body = body_of(load(rules("*")), *(Part(f"t{number}") for number in range(tables)))
    assert dashboard.price(body).startswith(words)


def test_without_an_account_the_tables_are_those_that_are_named() -> None:
    config = load(
        '[[tables]]\nname = "orders"\nindexes = [{ name = "by-date" }, { name = "by-*" }]\n'
        '[[tables]]\nname = "users-*"\n[[tables]]\nregex = "logs"\n[[tables]]\nname = "orders"\n'
    )
    assert dashboard.named_parts(config) == [Part("orders"), PART]


def written(session: AwsSession) -> str:
    name = "headroom-dev-us-east-1"
    client = session.client("cloudwatch")
    return str(client.get_dashboard(DashboardName=name)["DashboardBody"])


@pytest.mark.slow(traced=True)
def test_the_command_prints_it_writes_it_and_the_teardown_removes_it(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_project(tmp_path))
    configure(tmp_path, rules("orders*"))
    with account() as session:
        for name in ("orders", "orders-eu", "users"):
            make_table(session.client, name)
        call = ("dashboard", "--stage", "dev")
        shown = run(*call)
        titles = [g.title for g in check(shown.stdout)]
        assert titles[-6::3] == ["orders: reads", "orders-eu: reads"]
        assert shown.errors.endswith(
            "42 metrics: free as one of the account's first 3 dashboards, else 3.00 USD a month."
        )
        assert not session.client("cloudwatch").list_dashboards()["DashboardEntries"]
        first, again = run(*call, "--apply"), run(*call, "--apply")
        assert first.stdout == "dashboard headroom-dev-us-east-1: applied\n"
        assert again.stdout == "dashboard headroom-dev-us-east-1: already correct\n"
        assert json.loads(written(session)) == json.loads(shown.stdout)
        run(*call, "--apply", "--table", "orders-*")
        assert [g.title for g in check(written(session))][-3] == "orders-eu: reads"
        assert [g.title for g in check(written(session))].count("orders: reads") == 0
        wrong = run(*call, "--apply", "--table", "oders")
        assert (wrong.exit_code, wrong.errors) == (
            1,
            "no table matches oders; did you mean orders?",
        )
        refuse("DescribeTable")
        unread = run(*call)
        assert (unread.exit_code, unread.errors.count("not authorized")) == (1, 2)
        assert len(check(unread.stdout)) == 5
        assert outcome(session, tmp_path) == "dashboard headroom-dev-us-east-1: removed"


def refuse(operation: str) -> None:
    """Let an operation fail from now on."""

    def deny(model: Any, **_: Any) -> None:
        if model.name == operation:
            denied = {"Error": {"Code": "AccessDenied", "Message": "not authorized"}}
            raise ClientError(denied, operation)

    BEFORE_CALLS.append(deny)


def outcome(session: AwsSession, project: Path) -> str:
    """Tear the stage down, and return what became of the dashboard."""
    results = (f"{r.subject}: {r.result}" for r in tear_down(dev(), session, project))
    return next(line for line in results if line.startswith("dashboard"))


def test_a_teardown_without_a_dashboard_needs_no_permission_for_one(tmp_path: Path) -> None:
    with account() as session:
        refuse("GetDashboard")
        assert outcome(session, tmp_path).endswith("(cloudwatch:GetDashboard is denied): kept")
    with account() as session:
        assert outcome(session, tmp_path).endswith("not found")
