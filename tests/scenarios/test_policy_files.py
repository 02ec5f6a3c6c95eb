"""The text of the policy files, and what Lambda itself does by a function's role."""

import pytest

from tests.scenarios.test_role_policies import (
    FUNCTIONS,
    LISTENERS,
    LOCATIONS,
    SHIPPED,
    STAGES,
    policy,
    settings,
)
from tests.support.iam import Ask, Location, Statement, allowed, listed, statements

#: on_group sends no dead letters: its queue does.
EVERY_FILE = (*SHIPPED, "on_group")


def is_about_logs(statement: Statement) -> bool:
    return all(action.startswith("logs:") for action in listed(statement["Action"]))


#: Actions that IAM cannot narrow. Source: Service Authorization Reference, read 2026-11.
WITHOUT_RESOURCES = {
    "application-autoscaling:DescribeScalableTargets",
    "cloudwatch:GetMetricData",
    "dynamodb:ListTables",
    "tag:GetResources",
}


@pytest.mark.parametrize("function", EVERY_FILE)
def test_a_policy_names_each_action_whole_and_gives_every_resource_only_to_actions_that_have_none(
    function: str,
) -> None:
    for statement in statements(policy(function)):
        actions = set(listed(statement["Action"]))
        assert not {action for action in actions if "*" in action or "?" in action}
        assert (
            actions <= WITHOUT_RESOURCES
            if statement["Resource"] == "*"
            else not actions & WITHOUT_RESOURCES
        )


@pytest.mark.parametrize("function", EVERY_FILE)
def test_a_policy_only_allows_knows_no_region_or_account_and_names_each_statement(
    function: str,
) -> None:
    found = statements(policy(function))
    names = {statement["Sid"] for statement in found if statement["Sid"].isalnum()}
    assert ({statement["Effect"] for statement in found}, len(names)) == ({"Allow"}, len(found))
    resources = [
        resource
        for statement in found
        for resource in listed(statement["Resource"])
        if resource != "*"
    ]
    assert {
        (partition, *location)
        for _, partition, _, *location, _ in (r.split(":", 5) for r in resources)
    } == {("*", "*", "*")}


@pytest.mark.parametrize("function", EVERY_FILE)
def test_a_function_writes_its_own_logs_and_does_not_make_groups(function: str) -> None:
    about_logs = [
        statement for statement in statements(policy(function)) if is_about_logs(statement)
    ]
    assert about_logs == [
        {
            "Sid": "WriteLogsIntoTheGroupsThatTheDeploymentMakes",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": "arn:*:logs:*:*:log-group:/aws/lambda/headroom-*",
        }
    ]


@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: location.partition)
def test_the_logs_of_every_stage_are_covered_and_nobody_elses(location: Location) -> None:
    def may_write(function: str, group: str) -> bool:
        streams = Ask(
            "logs:CreateLogStream", location.arn("logs", f"log-group:/aws/lambda/{group}")
        )
        events = Ask(
            "logs:PutLogEvents",
            location.arn("logs", f"log-group:/aws/lambda/{group}:log-stream:2026/11/20/[1]f00"),
        )
        return allowed(policy(function), streams) and allowed(policy(function), events)

    assert all(
        may_write(function, f"headroom-{stage}-{function}")
        for stage in STAGES
        for function in FUNCTIONS
    )
    assert not any(may_write(function, "billing-prod-headroom-") for function in FUNCTIONS)


# what Lambda itself does by a function's role


@pytest.mark.parametrize("function", SHIPPED)
@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: location.partition)
def test_lambda_may_send_what_fails_to_the_dead_letter_queue_of_every_stage_and_nowhere_else(
    function: str, location: Location
) -> None:
    def may(action: str, queue: str) -> bool:
        return allowed(policy(function), Ask(action, location.arn("sqs", queue)))

    assert all(may("sqs:SendMessage", f"headroom-{stage}-dead-letters") for stage in STAGES)
    assert not may("sqs:SendMessage", "billing-dead-letters")
    assert not may("sqs:SendMessage", "headroom-buffer-dev")
    assert not may("sqs:SendMessage", "headroom-dev-groups")
    assert not may("sqs:ReceiveMessage", "headroom-dev-dead-letters")


def test_the_other_listeners_may_do_what_on_alarm_may_and_one_of_them_reads_a_queue() -> None:
    of_alarm = [
        s for s in statements(policy("on_alarm")) if "sqs:SendMessage" not in listed(s["Action"])
    ]
    *shared, reads = statements(policy("on_queue"))
    assert shared == of_alarm
    assert set(listed(reads["Action"])) == {
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    }
    assert reads["Resource"] == "arn:*:sqs:*:*:headroom-*"
    assert {
        name: one["iam_policy_file"]
        for name, one in settings()["lambda_functions"].items()
        if name in LISTENERS
    } == LISTENERS


def test_the_worker_reads_its_own_queue_and_no_other() -> None:
    def may(action: str, queue: str) -> bool:
        return allowed(policy("on_group"), Ask(action, Location().arn("sqs", queue)))

    assert all(may("sqs:ReceiveMessage", f"headroom-{stage}-groups") for stage in STAGES)
    assert not may("sqs:ReceiveMessage", "headroom-dev-dead-letters")
    assert not may("sqs:SendMessage", "headroom-dev-groups")
