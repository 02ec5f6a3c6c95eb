"""What a function's role may do because of the configuration: one more inline policy, beside the
one in .chalice/policy-*.json.

Those files are the same in every checkout and know no table. What follows from the configuration is
rendered here, by small contributors, each of which looks at the rules and at a function's short
name and says its statements. `headroom setup` puts the policy on the roles, `headroom doctor`
compares it, `headroom package` renders it for SAM and Terraform.
"""

from __future__ import annotations

import json
import re
from bisect import bisect
from collections.abc import Callable, Iterable
from typing import Any

from chalicelib.config.healing import Healing
from chalicelib.config.rules import Config, Matcher
from chalicelib.core.notices import STATE_KINDS
from headroom.deploy.blueprint import Document

NAME = "headroom-configured"
"""The policy's name on each role."""
ROLE_CHARACTERS = 10_240
"""All inline policies of a role together, without white space. Source: IAM User Guide, "IAM and AWS
STS quotas", 2026-11."""
SHIPPED_CHARACTERS = 2_560
"""What is left of it to a file .chalice/policy-*.json; a test holds them to it."""
ROOM = ROLE_CHARACTERS - SHIPPED_CHARACTERS
TABLES = "arn:*:dynamodb:*:*:table/"
NAMEABLE = re.compile(r"[A-Za-z0-9_.*?-]+")
"""What a table may be called, and wildcards. Source: "Supported data types and naming rules in
Amazon DynamoDB", 2026-11."""
SEQUENCE = re.compile(r"\[!?+\]?+[^\]]*\]")
"""A glob's `[seq]`, as fnmatch reads it: a `]` that comes first is one of its characters."""
LITERAL = re.compile(r"[A-Za-z0-9_-]|\\[._-]")
LITERALS = re.compile(f"(?:{LITERAL.pattern})*")
WILDCARDS = frozenset("*?")
TOKEN = re.compile(r"\\.|\[\^?+\]?+(?:\\.|[^\]\\])*\]|.", re.DOTALL)
"""A regular expression's escape, its set of characters, or any one character."""

Contributor = Callable[[Config, str], list[Document]]


def configured_policy(rules: Config, function: str) -> Document | None:
    """Return the policy that the configuration calls for on the role of a function (its short
    name), or None for no policy."""
    found = _fitted(_whole(rules, function))
    return {"Version": "2012-10-17", "Statement": found} if found else None


def shortening(rules: Config, function: str) -> str:
    """Return what had to be given up so that the policy fits into IAM's quota, in words, or ""."""
    whole = _whole(rules, function)
    fitted = _fitted(whole)
    if whole == fitted:
        return ""
    names = sum(len(statement.get("NotResource", ())) for statement in whole)
    became = (
        "common beginnings stand for them"
        if len(whole) == len(fitted)
        else "UpdateTable stays allowed on every table"
    )
    return f"{names:,} names of tables do not fit into the {ROLE_CHARACTERS:,} characters of a role's policies; {became}"


def _whole(rules: Config, function: str) -> list[Document]:
    return [statement for contribute in CONTRIBUTORS for statement in contribute(rules, function)]


# the contributors


# all contributors are asked the same
def only_managed_tables(rules: Config, function: str) -> list[Document]:  # noqa: ARG001
    """Deny UpdateTable on every table that no rule can mean.

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
    about = (
        {"NotResource": [TABLES + pattern for pattern in patterns]}
        if patterns
        else {"Resource": "*"}
    )
    return [{**deny, **about}]


LOOKING = frozenset(
    {
        "on_alarm",
        "on_action",
        "on_event",
        "on_queue",
        "on_fleet",
        "follow_up",
        "scale_down",
        "sweep",
    }
)
"""The functions that look at tables, and so at all that may hold them."""
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
"""What asking for each kind of job takes; `*`: the action has no resource. Source: Service
Authorization Reference, 2026-11."""


def jobs_that_pause(rules: Config, function: str) -> list[Document]:
    """Allow to ask for the jobs of `[[pause]]`, each action on no more than the names that are
    configured."""
    asked = {(a, r.format(prefix=p.prefix)) for p in rules.pauses for a, r in JOB_ACTIONS[p.job]}
    if not asked or function not in LOOKING:
        return []
    plain = sorted(action for action, resource in asked if resource == "*")
    found = [{"Sid": "AskForJobs", "Effect": "Allow", "Action": plain, "Resource": "*"}]
    for action in sorted({action for action, resource in asked if resource != "*"}):
        resources = sorted(
            resource for asking, resource in asked if asking == action and resource != "*"
        )
        sid = "Ask" + "".join(part.title() for part in re.split(r"\W", action))
        found.append({"Sid": sid, "Effect": "Allow", "Action": [action], "Resource": resources})
    return found


def count_fleets(rules: Config, function: str) -> list[Document]:
    """Allow what counts the configured fleets, and follow_up to find the tables that follow; none
    of the calls has resources.

    Source: Service Authorization Reference, of the four services, read 2026-11.
    """
    calls = {
        "ec2:DescribeInstances" if fleet.tags else "autoscaling:DescribeAutoScalingGroups"
        for fleet in rules.fleets
    }
    if not calls or function not in LOOKING:
        return []
    if function == "follow_up":
        calls |= {"dynamodb:ListTables", "application-autoscaling:DescribeScalableTargets"}
    return [{"Sid": "FollowTheFleets", "Effect": "Allow", "Action": sorted(calls), "Resource": "*"}]


def tell_people(rules: Config, function: str) -> list[Document]:
    """Allow to publish on the topics of notifications, to read where Slack's webhooks are kept, and
    the sweep to remember.

    A secret's ARN ends with a dash and six characters that Secrets Manager chose. Source: AWS
    Secrets Manager User Guide, "What's in a Secrets Manager secret?", read 2026-11. The sweep may
    tag its own alarms anyway; what it remembers there it must read.
    """
    telling = [policy for policy in rules.policies() if policy.notify and not policy.dry_run]
    told = [*telling, *(healing for healing in rules.healing if not healing.dry_run)]
    if function not in LOOKING:
        return []
    stores = [one.notify_slack.partition(":") for one in told]
    allowed = [
        ("PublishNotifications", "sns:Publish", [one.notify_topic for one in told]),
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
    if function == "sweep" and any(STATE_KINDS & set(policy.notify) for policy in telling):
        allowed.append(
            (
                "ReadWhatWasTold",
                "cloudwatch:ListTagsForResource",
                ["arn:*:cloudwatch:*:*:alarm:headroom-*"],
            )
        )
    found = (
        (sid, action, sorted({name for name in names if name})) for sid, action, names in allowed
    )
    return [
        {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": names}
        for sid, action, names in found
        if names
    ]


def _secret(name: str) -> str:
    return name if name.startswith("arn:") else f"arn:*:secretsmanager:*:*:secret:{name}-??????"


def _parameter(name: str) -> str:
    return name if name.startswith("arn:") else f"arn:*:ssm:*:*:parameter/{name.removeprefix('/')}"


HEALING = frozenset({"on_alarm", "on_action", "on_event", "on_queue", "follow_up"})
"""The functions that look at a sick instance."""
GROUPS = "arn:*:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/"
GROUP_TAG = "aws:ResourceTag/aws:autoscaling:groupName"
"""The tag that EC2 Auto Scaling gives each of its instances. Nobody else can: tags that begin with
`aws:` are AWS's own. Source: EC2 Auto Scaling User Guide, "Tag Auto Scaling groups and instances",
read 2026-11."""
RECOVERY_ROLE = (
    "arn:*:iam::*:role/aws-service-role/events.amazonaws.com/AWSServiceRoleForCloudWatchEvents"
)


def heal_instances(rules: Config, function: str) -> list[Document]:
    """Allow to read the groups of `[[healing]]`, to mark or reboot their instances as far as a rule
    does so, and to remember it.

    The sweep makes the alarms, and looks at instances only for a dry run. PutMetricAlarm with an
    EC2 action may have to make CloudWatch's service-linked role. Source: Service Authorization
    Reference, EC2 Auto Scaling and EC2; API_PutMetricAlarm, on permissions; read 2026-11.
    """
    live = [rule for rule in rules.healing if not rule.dry_run]
    if function == "sweep" and rules.healing:
        calls = ["autoscaling:DescribeAutoScalingGroups"] + (
            READ_PAST if len(live) < len(rules.healing) else []
        )
        recovers = any(rule.action == "recover" for rule in live)
        return [_allow("ReadGroups", calls, ["*"]), *([_make_recovery_role()] if recovers else [])]
    if function not in HEALING or not rules.healing:
        return []
    membership = [
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeAutoScalingInstances",
    ]
    found = [_allow("ReadGroups", [*membership, *READ_PAST], ["*"])]
    replaced, rebooted = (
        [_group(r) for r in live if r.action == action] for action in ("replace", "reboot")
    )
    if replaced:
        found.append(
            _allow(
                "MarkInstances",
                ["autoscaling:SetInstanceHealth"],
                [GROUPS + name for name in replaced],
            )
        )
    if rebooted:
        of_groups = {"StringLike": {GROUP_TAG: sorted(rebooted)}}
        found.append(
            {
                **_allow("RebootInstances", ["ec2:RebootInstances"], ["arn:*:ec2:*:*:instance/*"]),
                "Condition": of_groups,
            }
        )
    if any(rule.notify_topic or rule.notify_slack for rule in live):
        remember = ["cloudwatch:ListTagsForResource", "cloudwatch:TagResource"]
        found.append(
            _allow(
                "RememberWhatWasToldOfInstances",
                remember,
                ["arn:*:cloudwatch:*:*:alarm:headroom-instance/*"],
            )
        )
    return found


READ_PAST = ["autoscaling:DescribeScalingActivities", "ec2:DescribeInstanceStatus"]


def _allow(sid: str, actions: list[str], resources: list[str]) -> Document:
    return {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": sorted(resources)}


def _make_recovery_role() -> Document:
    only = {"StringEquals": {"iam:AWSServiceName": "events.amazonaws.com"}}
    return {
        **_allow("LetAlarmsRecover", ["iam:CreateServiceLinkedRole"], [RECOVERY_ROLE]),
        "Condition": only,
    }


def _group(rule: Healing) -> str:
    """Return a rule's glob in IAM's wildcards; a `$` might begin a variable there."""
    return SEQUENCE.sub("?", rule.group).replace("$", "?")


CONTRIBUTORS: tuple[Contributor, ...] = (
    only_managed_tables,
    count_fleets,
    jobs_that_pause,
    tell_people,
    heal_instances,
)


# which tables the rules may mean, in IAM's wildcards


def table_patterns(rules: Config) -> list[str]:
    """Return patterns that between them match every table that a rule matches, and as few others as
    IAM can tell apart.

    IAM knows `*`, any characters, and `?`, any one. Source: IAM User Guide, "IAM JSON policy
    elements: Resource", 2026-11.
    """
    found = {_pattern(rule.matcher) for rule in rules.tables}
    return _without_covered(
        pattern for pattern in found if NAMEABLE.fullmatch(pattern)
    )  # no table has any other name


def _pattern(matcher: Matcher) -> str:
    return _of_regex(matcher.text) if matcher.is_regex else SEQUENCE.sub("?", matcher.text)


def _of_regex(text: str) -> str:
    """Return the characters with which all that matches begins, and `*`; only that where nothing is
    sure."""
    if _may_alternate(text):
        return "*"
    text = text.removeprefix("^")
    rest = LITERALS.sub("", text, count=1)
    literals = LITERAL.findall(text.removesuffix(rest))
    if rest.startswith(
        ("*", "?", "{")
    ):  # the last character may come not at all; with `+` it comes
        literals = literals[:-1]
    return "".join(literal[-1] for literal in literals) + ("" if rest in ("", "$") else "*")


def _may_alternate(text: str) -> bool:
    """Tell whether a regex may have a `|` outside of its groups. What cannot be read for sure (a
    comment, say) may have one."""
    depth = 0
    for part in TOKEN.findall(text):
        depth += {"(": 1, ")": -1}.get(part, 0)
        if (part == "|" and depth == 0) or part == "#":
            return True
    return depth != 0


def _without_covered(patterns: Iterable[str]) -> list[str]:
    """Return the patterns, sorted, without those that another one's plain beginning covers:
    `orders-*` covers `orders-eu`."""
    found = set(patterns)
    beginnings = {
        pattern[:-1]
        for pattern in found
        if pattern.endswith("*") and not WILDCARDS & set(pattern[:-1])
    }

    def is_covered(pattern: str) -> bool:
        own = (
            len(pattern) - 1
            if pattern[:-1] in beginnings and pattern.endswith("*")
            else len(pattern) + 1
        )
        return any(pattern[:length] in beginnings for length in range(own))

    return sorted(pattern for pattern in found if not is_covered(pattern))


# IAM's quota


def _fitted(statements: list[Document]) -> list[Document]:
    """Return the statements so that they fit: all names, or their first characters, as many as fit,
    or no list of names at all.

    A shorter list denies less, and never a table that a rule means.
    """
    longest = max(
        (
            len(arn) - len(TABLES)
            for statement in statements
            for arn in statement.get("NotResource", ())
        ),
        default=0,
    )
    lengths = range(1, longest + 1)
    fitting = bisect(
        lengths, False, key=lambda length: _characters(_shortened(statements, length)) > ROOM
    )  # more say more
    if fitting or not longest:
        return _shortened(statements, fitting)
    return [statement for statement in statements if "NotResource" not in statement]


def _shortened(statements: list[Document], length: int) -> list[Document]:
    """Return the statements with no more than `length` characters of each table's name."""
    return [
        _with_names(statement, length) if "NotResource" in statement else statement
        for statement in statements
    ]


def _with_names(statement: Document, length: int) -> Document:
    cut = {_cut(arn.removeprefix(TABLES), length) for arn in statement["NotResource"]}
    return {**statement, "NotResource": [TABLES + pattern for pattern in _without_covered(cut)]}


def _cut(pattern: str, length: int) -> str:
    """Return a pattern's beginning as a pattern; one that begins with a wildcard is nothing without
    the rest."""
    start = pattern[:length].rstrip("*")
    return pattern if len(pattern) <= length or not start.strip("*?") else f"{start}*"


def _characters(statements: Any) -> int:
    """Return what IAM counts: all but white space."""
    return len("".join(json.dumps({"Version": "2012-10-17", "Statement": statements}).split()))
