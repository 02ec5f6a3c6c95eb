"""The inline policy of a function's role that follows from the configuration.

It is added to the policy in .chalice/policy-*.json. Those files are the same in every checkout and
name no table. Small contributors each return the statements for the rules and a function's short
name. headroom/deploy/stage_policy.py adds what pins a role to its stage.
"""

import json
import re
from bisect import bisect
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

from chalicelib.config.healing import Healing
from chalicelib.config.policy import Policy
from chalicelib.config.rules import Config, Matcher
from chalicelib.core.modes import KEY as MODE_TAG
from chalicelib.core.notices import STATE_KINDS
from headroom.deploy.blueprint import Document
from headroom.deploy.stage import SCHEDULED

#: The policy's name on each role. `headroom setup` applies it, `headroom doctor` compares it, and
#: `headroom package` renders it for SAM and Terraform.
NAME = "headroom-configured"
#: The quota of all inline policies of a role together, without white space. Source: IAM User Guide,
#: "IAM and AWS STS quotas", 2026-11.
ROLE_CHARACTERS = 10_240
#: The share of a file .chalice/policy-*.json, which a test enforces.
SHIPPED_CHARACTERS = 2_560
ROOM = ROLE_CHARACTERS - SHIPPED_CHARACTERS
TABLES = "arn:*:dynamodb:*:*:table/"
#: The characters of a table's name, and wildcards. Source: "Supported data types and naming rules
#: in Amazon DynamoDB", 2026-11.
NAMEABLE = re.compile(r"[A-Za-z0-9_.*?-]+")
#: A glob's `[seq]`, as fnmatch reads it: a first `]` is one of its characters.
SEQUENCE = re.compile(r"\[!?+\]?+[^\]]*\]")
LITERAL = re.compile(r"[A-Za-z0-9_-]|\\[._-]")
LITERALS = re.compile(f"(?:{LITERAL.pattern})*")
WILDCARDS = frozenset("*?")
#: In a regular expression: an escape, a set of characters, or any one character.
TOKEN = re.compile(r"\\.|\[\^?+\]?+(?:\\.|[^\]\\])*\]|.", re.DOTALL)


def configured_policy(rules: Config, function: str, room: int = ROOM) -> Document | None:
    """Return the policy for the role of a function (its short name), or None for no policy.

    room: the characters that it may have.
    """
    statements = _fitted(_whole(rules, function), room)
    return {"Version": "2012-10-17", "Statement": statements} if statements else None


def shortening(rules: Config, function: str, room: int = ROOM) -> str:
    """Return what the policy leaves out to fit into IAM's quota, as a sentence, or ""."""
    whole = _whole(rules, function)
    fitted = _fitted(whole, room)
    if whole == fitted:
        return ""
    names = sum(len(statement.get("NotResource", ())) for statement in whole)
    result = (
        "common prefixes replace them"
        if len(whole) == len(fitted)
        else "UpdateTable stays allowed on every table"
    )
    quota = f"the {ROLE_CHARACTERS:,} characters of a role's policies"
    return f"{names:,} names of tables do not fit into {quota}; {result}"


def _whole(rules: Config, function: str) -> list[Document]:
    return [statement for contribute in CONTRIBUTORS for statement in contribute(rules, function)]


# the contributors


# All contributors have the same parameters.
def only_managed_tables(rules: Config, function: str) -> list[Document]:  # noqa: ARG001
    """Deny UpdateTable on every table that no rule can match.

    UpdateTable is authorised on the table, for its indexes too, and never on an index. Source:
    Service Authorization Reference, DynamoDB, whose only resource type for it is `table*`, read
    2026-11.
    """
    patterns = table_patterns(rules)
    if any(not pattern.strip("*") for pattern in patterns):
        return []
    deny = {
        "Sid": "OnlyTheTablesOfTheConfiguration",
        "Effect": "Deny",
        "Action": "dynamodb:UpdateTable",
    }
    arns = [TABLES + pattern for pattern in patterns]
    return [{**deny, "NotResource": arns} if arns else {**deny, "Resource": "*"}]


#: The functions that scale tables, and so read everything that may pause them.
SCALING = frozenset(
    {
        "on_alarm",
        "on_action",
        "on_event",
        "on_queue",
        "on_fleet",
        "on_group",
        "follow_up",
        "scale_down",
        "sweep",
    }
)
#: The functions that look at the states of which people are notified. The sweep may tag its own
#: alarms anyway, since it creates them with tags.
STATEFUL = {
    "sweep": ["cloudwatch:ListTagsForResource"],
    "on_group": ["cloudwatch:ListTagsForResource", "cloudwatch:TagResource"],
}
#: The permissions to read each kind of job; `*`: the action has no resource. Source: Service
#: Authorization Reference, 2026-11.
JOB_ACTIONS: dict[str, list[tuple[str, str]]] = {
    "emr_cluster": [("elasticmapreduce:ListClusters", "*")],
    "step_function": [
        ("states:ListStateMachines", "*"),
        ("states:ListExecutions", "arn:*:states:*:*:stateMachine:{prefix}*"),
    ],
    "glue_job": [("glue:ListJobs", "*"), ("glue:GetJobRuns", "arn:*:glue:*:*:job/{prefix}*")],
    "backup": [("backup:ListBackupJobs", "*")],
    "export": [
        ("dynamodb:ListExports", "*"),
        ("dynamodb:DescribeExport", "arn:*:dynamodb:*:*:table/*/export/*"),
    ],
}


def jobs_that_pause(rules: Config, function: str) -> list[Document]:
    """Allow to read the jobs of `[[pause]]`, each action only on the configured names."""
    resources: dict[str, set[str]] = {}
    for pause in rules.pauses:
        for action, resource in JOB_ACTIONS[pause.job]:
            resources.setdefault(action, set()).add(resource.format(prefix=pause.prefix))
    if not resources or function not in SCALING:
        return []
    without_resource = sorted(action for action in resources if resources[action] == {"*"})
    return [
        {"Sid": "AskForJobs", "Effect": "Allow", "Action": without_resource, "Resource": "*"},
        *(
            _allow("Ask" + action.title().replace(":", ""), [action], resources[action])
            for action in sorted(resources.keys() - without_resource)
        ),
    ]


def count_fleets(rules: Config, function: str) -> list[Document]:
    """Allow to count the configured fleets.

    None of the calls has resources. Source: Service Authorization Reference, of the four services,
    read 2026-11.
    """
    calls = {
        "ec2:DescribeInstances" if fleet.tags else "autoscaling:DescribeAutoScalingGroups"
        for fleet in rules.fleets
    }
    if not calls or function not in SCALING:
        return []
    return [{"Sid": "FollowTheFleets", "Effect": "Allow", "Action": sorted(calls), "Resource": "*"}]


def notify(rules: Config, function: str) -> list[Document]:
    """Allow to publish notifications, to read Slack's webhooks, and a sweep to keep its state.

    A secret's ARN ends with a dash and six characters that Secrets Manager chose. Source: AWS
    Secrets Manager User Guide, "What's in a Secrets Manager secret?", read 2026-11.
    """
    policies = [policy for policy in rules.policies() if policy.notify and not policy.dry_run]
    senders: list[Policy | Healing] = [*policies]
    senders += [healing for healing in rules.healing if not healing.dry_run]
    if function not in SCALING:
        return []
    stores = [sender.notify_slack.partition(":") for sender in senders]
    allowed: list[tuple[str, str | list[str], list[str]]] = [
        ("PublishNotifications", "sns:Publish", [sender.notify_topic for sender in senders]),
        (
            "ReadWebhooks",
            "secretsmanager:GetSecretValue",
            [_secret(name) for store, _, name in stores if store == "secretsmanager"],
        ),
        (
            "ReadWebhookParameters",
            "ssm:GetParameter",
            [_parameter(name) for store, _, name in stores if store == "ssm"],
        ),
    ]
    actions = STATEFUL.get(function, [])
    if actions and any(STATE_KINDS & set(policy.notify) for policy in policies):
        whole = actions if len(actions) > 1 else actions[0]
        allowed.append(("ReadWhatWasTold", whole, ["arn:*:cloudwatch:*:*:alarm:headroom-*"]))
    return [
        {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": sorted(set(names) - {""})}
        for sid, action, names in allowed
        if any(names)
    ]


def _secret(name: str) -> str:
    return name if name.startswith("arn:") else f"arn:*:secretsmanager:*:*:secret:{name}-??????"


def _parameter(name: str) -> str:
    return name if name.startswith("arn:") else f"arn:*:ssm:*:*:parameter/{name.removeprefix('/')}"


def hand_over(rules: Config, function: str) -> list[Document]:
    """Allow the scheduled functions to send groups of tables to the workers' queue."""
    if rules.fan_out is None or function not in SCHEDULED:
        return []
    actions = ["sqs:GetQueueUrl", "sqs:SendMessage"]
    return [_allow("HandTablesToTheWorkers", actions, ["arn:*:sqs:*:*:headroom-*-groups"])]


#: The functions that handle an unhealthy instance.
HEALING = frozenset({"on_alarm", "on_action", "on_event", "on_queue", "follow_up"})
GROUPS = "arn:*:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/"
#: The tag that EC2 Auto Scaling gives each of its instances. Nobody else can set it: tags that
#: begin with `aws:` are reserved for AWS. Source: EC2 Auto Scaling User Guide, "Tag Auto Scaling
#: groups and instances", read 2026-11.
GROUP_TAG = "aws:ResourceTag/aws:autoscaling:groupName"
RECOVERY_ROLE = (
    "arn:*:iam::*:role/aws-service-role/events.amazonaws.com/AWSServiceRoleForCloudWatchEvents"
)
OF_EVENTS = {"StringEquals": {"iam:AWSServiceName": "events.amazonaws.com"}}


def heal_instances(rules: Config, function: str) -> list[Document]:
    """Allow to read the groups of `[[healing]]`, to mark or reboot their instances where a rule
    does so, and to store the state.

    The sweep makes the alarms, and reads instances only for a dry run. PutMetricAlarm with an
    EC2 action may have to make CloudWatch's service-linked role. Source: Service Authorization
    Reference, EC2 Auto Scaling and EC2; API_PutMetricAlarm, on permissions; read 2026-11.
    """
    live = [rule for rule in rules.healing if not rule.dry_run]
    if function == "sweep" and rules.healing:
        past = READ_PAST if len(live) < len(rules.healing) else []
        recovery = [RECOVERY_ROLE] if any(rule.action == "recover" for rule in live) else []
        return _with_resources(
            _allow("ReadGroups", [*READ_GROUPS[:1], *past], ["*"]),
            _allow("LetAlarmsRecover", ["iam:CreateServiceLinkedRole"], recovery, OF_EVENTS),
        )
    if function not in HEALING or not rules.healing:
        return []
    replaced = [GROUPS + _group(rule) for rule in live if rule.action == "replace"]
    rebooted = sorted(_group(rule) for rule in live if rule.action == "reboot")
    notifies = any(rule.notify_topic or rule.notify_slack for rule in live)
    return _with_resources(
        _allow("ReadGroups", [*READ_GROUPS, *READ_PAST], ["*"]),
        _allow("MarkInstances", ["autoscaling:SetInstanceHealth"], replaced),
        _allow(
            "RebootInstances",
            ["ec2:RebootInstances"],
            ["arn:*:ec2:*:*:instance/*"] if rebooted else [],
            {"StringLike": {GROUP_TAG: rebooted}},
        ),
        _allow(
            "RememberWhatWasToldOfInstances",
            ["cloudwatch:ListTagsForResource", "cloudwatch:TagResource"],
            ["arn:*:cloudwatch:*:*:alarm:headroom-instance/*"] if notifies else [],
        ),
    )


READ_GROUPS = ["autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances"]
READ_PAST = ["autoscaling:DescribeScalingActivities", "ec2:DescribeInstanceStatus"]


def _allow(
    sid: str, actions: list[str], resources: Iterable[str], condition: Document | None = None
) -> Document:
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": sorted(resources),
    }
    return {**statement, "Condition": condition} if condition else statement


def _with_resources(*statements: Document) -> list[Document]:
    return [statement for statement in statements if statement["Resource"]]


def _group(rule: Healing) -> str:
    """Return a rule's glob in IAM's wildcards, where a `$` might begin a variable."""
    return SEQUENCE.sub("?", rule.group).replace("$", "?")


#: The functions whose shipped policies do not let them read Application Auto Scaling's targets.
NOT_READING_TARGETS = frozenset({"on_alarm", "on_action", "on_event", "on_queue"})
ALARM_WRITES = ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm"]
STANDING_BY = [
    "application-autoscaling:ListTagsForResource",
    "application-autoscaling:PutScalingPolicy",
    "application-autoscaling:RegisterScalableTarget",
    "application-autoscaling:TagResource",
]
SCALER = "dynamodb.application-autoscaling.amazonaws.com"
SCALING_ROLE = (
    f"arn:*:iam::*:role/aws-service-role/{SCALER}/"
    "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"
)
OF_DYNAMODB = {"StringEquals": {"iam:AWSServiceName": SCALER}}


def stand_by(rules: Config, function: str) -> list[Document]:
    """Allow the sweep to register and suspend scalable targets, and all functions to read them if
    they may scale the writes of global tables.

    Application Auto Scaling checks that the caller could make the alarms of a policy. Source:
    Application Auto Scaling User Guide, "Permissions required for API actions on target services
    and CloudWatch", read 2026-11.
    """
    if rules.understudy is None:
        return []
    if function in NOT_READING_TARGETS and rules.understudy.regions:
        return [_allow("ReadTargets", ["application-autoscaling:DescribeScalableTargets"], ["*"])]
    if function != "sweep":
        return []
    targets = ["arn:*:application-autoscaling:*:*:scalable-target/*"]
    alarms = ["arn:*:cloudwatch:*:*:alarm:TargetTracking-table/*"]
    return [
        _allow("LetAutoScalingStandBy", STANDING_BY, targets),
        _allow("LetItsPoliciesHaveAlarms", ALARM_WRITES, alarms),
        _allow("LetItHaveARole", ["iam:CreateServiceLinkedRole"], [SCALING_ROLE], OF_DYNAMODB),
    ]


def switch_modes(rules: Config, function: str) -> list[Document]:
    """Allow to note on a table that Headroom switches its billing mode.

    The hourly pass chooses it; a check that raises may have to switch to on demand. UpdateTable,
    which switches, is allowed anyway. Source of the condition key: Service Authorization Reference,
    DynamoDB, TagResource, read 2026-11.
    """
    if function not in SCALING or all(policy.mode != "cheapest" for policy in rules.policies()):
        return []
    only = {"ForAllValues:StringEquals": {"aws:TagKeys": [MODE_TAG]}}
    return [_allow("NoteSwitchesOfTheMode", ["dynamodb:TagResource"], [f"{TABLES}*"], only)]


CONTRIBUTORS: tuple[Callable[[Config, str], list[Document]], ...] = (
    only_managed_tables,
    count_fleets,
    jobs_that_pause,
    notify,
    hand_over,
    heal_instances,
    stand_by,
    switch_modes,
)


# which tables the rules may match, in IAM's wildcards


def table_patterns(rules: Config) -> list[str]:
    """Return patterns that match every table that a rule matches, and as few others as possible.

    IAM knows `*`, any characters, and `?`, any one. Source: IAM User Guide, "IAM JSON policy
    elements: Resource", 2026-11.
    """
    patterns = {_pattern(rule.matcher) for rule in rules.tables}
    # No table has a name with other characters.
    return _without_covered(pattern for pattern in patterns if NAMEABLE.fullmatch(pattern))


def _pattern(matcher: Matcher) -> str:
    return _of_regex(matcher.text) if matcher.is_regex else SEQUENCE.sub("?", matcher.text)


def _of_regex(text: str) -> str:
    """Return the certain prefix of all matching names, and `*`."""
    if _may_alternate(text):
        return "*"
    text = text.removeprefix("^")
    rest = LITERALS.sub("", text, count=1)
    literals = LITERAL.findall(text.removesuffix(rest))
    if rest.startswith(("*", "?", "{")):
        # The last character is optional. With `+` it is not.
        literals = literals[:-1]
    return "".join(literal[-1] for literal in literals) + ("" if rest in ("", "$") else "*")


def _may_alternate(text: str) -> bool:
    """Tell whether a regex may have a `|` outside of its groups.

    The answer is yes for a regex that this function cannot read, such as one with a comment.
    """
    depth = 0
    for part in TOKEN.findall(text):
        depth += {"(": 1, ")": -1}.get(part, 0)
        if (part == "|" and depth == 0) or part == "#":
            return True
    return depth != 0


def _without_covered(patterns: Iterable[str]) -> list[str]:
    """Return the patterns, sorted, without those that another one's prefix covers.

    For example, `orders-*` covers `orders-eu`.
    """
    unique = set(patterns)
    prefixes = {
        pattern[:-1]
        for pattern in unique
        if pattern.endswith("*") and not WILDCARDS & set(pattern[:-1])
    }

    def is_covered(pattern: str) -> bool:
        is_prefix = pattern[:-1] in prefixes and pattern.endswith("*")
        longest = len(pattern) - 1 if is_prefix else len(pattern) + 1
        return any(pattern[:length] in prefixes for length in range(longest))

    return sorted(pattern for pattern in unique if not is_covered(pattern))


# IAM's quota


def _fitted(statements: list[Document], room: int) -> list[Document]:
    """Return the statements, shortened to fit into the quota.

    They keep all names, or their longest prefixes that fit, or no list of names at all. A shorter
    list denies less, and never a table that a rule matches.
    """
    names = chain.from_iterable(statement.get("NotResource", []) for statement in statements)
    longest = max(map(len, names), default=len(TABLES)) - len(TABLES)

    def is_too_long(length: int) -> bool:
        return characters(_shortened(statements, length)) > room

    # A longer prefix never makes a shorter policy.
    fitting = bisect(range(1, longest + 1), False, key=is_too_long)
    if fitting or not longest:
        return _shortened(statements, fitting)
    return [statement for statement in statements if "NotResource" not in statement]


def _shortened(statements: list[Document], length: int) -> list[Document]:
    """Return the statements with at most `length` characters of each table's name."""
    shortened = []
    for statement in statements:
        arns = statement.get("NotResource", [])
        cut = _without_covered(_cut(arn.removeprefix(TABLES), length) for arn in arns)
        names = {"NotResource": [TABLES + pattern for pattern in cut]}
        shortened.append({**statement, **(names if arns else {})})
    return shortened


def _cut(pattern: str, length: int) -> str:
    """Return a pattern's first characters as a pattern.

    A pattern that begins with a wildcard stays whole.
    """
    start = pattern[:length].rstrip("*")
    return pattern if len(pattern) <= length or not start.strip("*?") else f"{start}*"


def characters(statements: Any) -> int:
    """Return the number of characters without white space, as IAM counts."""
    return len("".join(json.dumps({"Version": "2012-10-17", "Statement": statements}).split()))
