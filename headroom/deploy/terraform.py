"""A stage as a Terraform module: files beside Chalice's, one of them an override."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from chalicelib.config.rules import Config
from chalicelib.core.table_alarms import TOPIC_TAG
from headroom.deploy import blueprint, dashboard, permissions, understudy
from headroom.deploy.account import Location
from headroom.deploy.blueprint import Document
from headroom.deploy.resources import ALARM_PRINCIPAL, DeployedVersion
from headroom.deploy.stage import LAMBDA_SOURCE, QUEUE_SOURCE, TOPIC_SOURCE, UNDERSTUDY, Stage
from headroom.deploy.stage_policy import stage_policy
from headroom.project import version

LOCATION = Location(
    "${data.aws_partition.chalice.partition}",
    # `name` is deprecated since version 6 of the provider. All versions have `id`.
    "${data.aws_region.chalice.id}",
    "${data.aws_caller_identity.chalice.account_id}",
)
DEAD_LETTERS = "${aws_sqs_queue.headroom_dead_letters.arn}"
BUFFER = "${aws_sqs_queue.headroom_buffer.arn}"
GROUPS = "${aws_sqs_queue.headroom_groups.arn}"
#: The name of the understudy's resources, and the file with its code.
UNDERSTUDY_NAME, UNDERSTUDY_ZIP = "headroom_understudy", "understudy.zip"
TERRAFORM_VERSION = ">= 1.0"
AWS_PROVIDER_VERSION = ">= 5.0"


def _reference(kind: str, name: str, attribute: str) -> str:
    return f"${{{kind}.{name}.{attribute}}}"


def _topic(stage: Stage) -> str:
    return "${aws_sns_topic.headroom.arn}" if stage.makes_topic else stage.topic


def extras(stage: Stage, rules: Config, with_dashboard: bool = False) -> Document:
    """Return the resources besides Chalice's, without a kind that has none."""
    topic = _topic(stage)
    policies = {name: stage_policy(stage, LOCATION, rules, name) for name in stage.functions}
    resources: Document = {
        **_topics(stage, topic),
        **_queues(stage, topic),
        "aws_cloudwatch_log_group": {
            name: {
                "name": f"/aws/lambda/{stage.function(name)}",
                "retention_in_days": stage.log_days,
            }
            for name in stage.functions
        },
        "aws_lambda_function_event_invoke_config": {
            name: _invoke(name) for name in stage.functions if name not in blueprint.QUEUE_FUNCTIONS
        },
        "aws_cloudwatch_metric_alarm": _alarms(stage, rules),
        "aws_cloudwatch_dashboard": _dashboards(stage, rules) if with_dashboard else {},
        "aws_iam_role_policy": {
            f"{name}_configured": {
                "name": permissions.NAME,
                "role": _reference("aws_iam_role", f"{name}_role", "id"),
                "policy": json.dumps(policy),
            }
            for name, policy in policies.items()
        },
    }
    if rules.understudy:
        for kind, one in _understudy(stage, rules, topic).items():
            resources.setdefault(kind, {})[UNDERSTUDY_NAME] = one
    if LAMBDA_SOURCE in stage.sources:
        resources.setdefault("aws_lambda_permission", {})["headroom_action"] = {
            "function_name": "${aws_lambda_function.on_action.function_name}",
            "action": "lambda:InvokeFunction",
            "principal": ALARM_PRINCIPAL,
            "source_account": LOCATION.account,
        }
    return {"resource": {kind: instances for kind, instances in resources.items() if instances}}


def _understudy(stage: Stage, rules: Config, topic: str) -> Document:
    """Return the understudy's resources, by their kinds. The module has its zip."""
    name, role = stage.function(UNDERSTUDY), stage.role(UNDERSTUDY, LOCATION.region)
    function = _reference("aws_lambda_function", UNDERSTUDY_NAME, "function_name")
    file = f"${{path.module}}/{UNDERSTUDY_ZIP}"
    return {
        "aws_iam_role": {
            "name": role,
            "assume_role_policy": json.dumps(understudy.assume_role_policy()),
        },
        "aws_iam_role_policy": {
            "name": permissions.NAME,
            "role": _reference("aws_iam_role", UNDERSTUDY_NAME, "id"),
            "policy": json.dumps(understudy.role_policy(stage, LOCATION, rules, topic)),
        },
        "aws_cloudwatch_log_group": {
            "name": f"/aws/lambda/{name}",
            "retention_in_days": stage.log_days,
        },
        "aws_lambda_function": {
            "function_name": name,
            "filename": file,
            "source_code_hash": f'${{filebase64sha256("{file}")}}',
            "runtime": understudy.RUNTIME,
            "handler": understudy.HANDLER,
            "architectures": ["arm64"],
            "role": _reference("aws_iam_role", UNDERSTUDY_NAME, "arn"),
            "timeout": understudy.TIMEOUT_SECONDS,
            "memory_size": understudy.MEMORY_MB,
            "environment": {"variables": understudy.environment(stage, topic)},
        },
        "aws_lambda_permission": {
            "function_name": function,
            "action": "lambda:InvokeFunction",
            "principal": ALARM_PRINCIPAL,
            "source_account": LOCATION.account,
        },
        "aws_lambda_function_event_invoke_config": {
            "function_name": function,
            **_syntax(understudy.INVOKE_SETTINGS),
            "destination_config": {"on_failure": {"destination": DEAD_LETTERS}},
        },
    }


def _topics(stage: Stage, topic: str) -> Document:
    policy = json.dumps(blueprint.topic_policy(topic, LOCATION))
    topics = {
        "aws_sns_topic": {"headroom": {"name": stage.topic}},
        "aws_sns_topic_policy": {"headroom": {"arn": topic, "policy": policy}},
    }
    return topics if stage.makes_topic else {}


def _queues(stage: Stage, topic: str) -> Document:
    """Return the queues, with their policies and the subscription of the one for alarms."""
    queues: Document = {
        "headroom_dead_letters": {
            "name": stage.dead_letters,
            "message_retention_seconds": blueprint.DEAD_LETTER_SECONDS,
            "sqs_managed_sse_enabled": True,
            "tags": {DeployedVersion.KEY: version(), TOPIC_TAG: topic},
        }
    }
    policy = blueprint.queue_policy(DEAD_LETTERS, topic, LOCATION, stage.role_pattern)
    policies, subscriptions = {"headroom_dead_letters": policy}, {}
    if QUEUE_SOURCE in stage.sources:
        redrive = {"deadLetterTargetArn": DEAD_LETTERS}
        receives = {**redrive, "maxReceiveCount": blueprint.BUFFER_RECEIVES}
        queues["headroom_buffer"] = {
            "name": stage.buffer,
            "visibility_timeout_seconds": blueprint.BUFFER_SECONDS,
            "sqs_managed_sse_enabled": True,
            "redrive_policy": json.dumps(receives),
        }
        policies["headroom_buffer"] = blueprint.buffer_policy(BUFFER, topic)
        subscriptions["headroom_buffer"] = {
            "topic_arn": topic,
            "protocol": "sqs",
            "endpoint": BUFFER,
            "redrive_policy": json.dumps(redrive),
        }
    if blueprint.GROUP_READER in stage.functions:
        twice = {"deadLetterTargetArn": DEAD_LETTERS, "maxReceiveCount": blueprint.GROUP_RECEIVES}
        queues["headroom_groups"] = {
            "name": stage.groups,
            "visibility_timeout_seconds": blueprint.GROUP_SECONDS,
            "message_retention_seconds": blueprint.GROUP_KEPT_SECONDS,
            "sqs_managed_sse_enabled": True,
            "redrive_policy": json.dumps(twice),
        }
        policies["headroom_groups"] = blueprint.groups_policy(GROUPS)
    urls = {name: _reference("aws_sqs_queue", name, "id") for name in policies}
    return {
        "aws_sqs_queue": queues,
        "aws_sqs_queue_policy": {
            name: {"queue_url": url, "policy": json.dumps(policies[name])}
            for name, url in urls.items()
        },
        "aws_sns_topic_subscription": subscriptions,
    }


def _dashboards(stage: Stage, rules: Config) -> Document:
    name, body = dashboard.packaged(stage, rules, LOCATION)
    return {"headroom": {"dashboard_name": name, "dashboard_body": body}}


def _invoke(name: str) -> Document:
    return {
        "function_name": _reference("aws_lambda_function", name, "function_name"),
        **_syntax(blueprint.invoke_settings(name)),
        "destination_config": {"on_failure": {"destination": DEAD_LETTERS}},
    }


def _alarms(stage: Stage, rules: Config) -> Document:
    functions = {
        name: _reference("aws_lambda_function", name, "function_name") for name in stage.functions
    }
    dead_letters = _reference("aws_sqs_queue", "headroom_dead_letters", "name")
    actions = stage.operator_actions(LOCATION)
    own = blueprint.own_alarms(stage, functions, dead_letters, actions)
    own = blueprint.calling(stage, LOCATION, rules, own)
    names = ("errors", "dead_letters", "silence", "waiting")
    return dict(zip(names, map(_syntax, own), strict=False))


def _syntax(fields: Document) -> Document:
    """Return settings, or an alarm, in the provider's syntax: snake case, dimensions as a map,
    queries as blocks, and a statistic within its metric."""
    result: Document = {}
    for key, value in fields.items():
        match key:
            case "Dimensions":
                result["dimensions"] = {d["Name"]: d["Value"] for d in value}
            case "Metrics":
                result["metric_query"] = [_syntax(query) for query in value]
            case "MetricStat":
                metric = {**value["Metric"], "Period": value["Period"], "Stat": value["Stat"]}
                result["metric"] = _syntax(metric)
            case _:
                result[re.sub(r"(?<!^)(?=[A-Z])", "_", key).lower()] = value
    return result


def override(stage: Stage) -> Document:
    """Return what replaces values of Chalice's.

    Chalice 1.34 requires Terraform before 1.4 and a provider before 5. It gives event rules the
    same name in every stage. It writes the topic's ARN as text, so that the subscription does not
    wait for the topic.
    """
    topic = _topic(stage)
    resources: Document = {
        "aws_cloudwatch_event_rule": {
            f"{name}-event": {"name": f"{stage.function(name)}-event"}
            for name in stage.functions
            if name in blueprint.RULED_FUNCTIONS
        },
        "aws_iam_role": {
            f"{name}_role": {"name": stage.role(name, LOCATION.region)} for name in stage.functions
        },
    }
    if TOPIC_SOURCE in stage.sources:
        redrive = json.dumps({"deadLetterTargetArn": DEAD_LETTERS})
        key = "on_alarm-sns-subscription"
        resources["aws_sns_topic_subscription"] = {
            key: {"topic_arn": topic, "redrive_policy": redrive}
        }
        resources["aws_lambda_permission"] = {key: {"source_arn": topic}}
    read = {blueprint.ALARM_READER: BUFFER, blueprint.GROUP_READER: GROUPS}
    mappings = {
        f"{name}-sqs-event-source": {
            "event_source_arn": queue,
            "function_response_types": ["ReportBatchItemFailures"],
        }
        for name, queue in read.items()
        if name in stage.functions
    }
    if mappings:
        resources["aws_lambda_event_source_mapping"] = mappings
    return {
        "terraform": {
            "required_version": TERRAFORM_VERSION,
            "required_providers": {
                "aws": {"source": "hashicorp/aws", "version": AWS_PROVIDER_VERSION},
                "null": {"source": "hashicorp/null", "version": ">= 3.0"},
            },
        },
        "resource": resources,
    }


def problems(folder: Path, stage: Stage) -> list[str]:
    """Return the known problems of a module. Its JSON is read as Terraform does, overrides last."""
    files = sorted(
        folder.glob("*.tf.json"),
        key=lambda file: (file.name.endswith("_override.tf.json"), file.name),
    )
    merged: dict[str, Any] = {"resource": {}, "data": {}, "terraform": {}}
    found: list[str] = []
    for file in files:
        found += _merge_into(merged, json.loads(file.read_text(encoding="utf-8")), file.name)
    return [
        *found,
        *_version_problems(merged["terraform"]),
        *_name_problems(merged["resource"], stage),
        *_reference_problems(merged, (stage.topic, stage.operators)),
    ]


def _merge_into(merged: dict[str, Any], module: Mapping[str, Any], file: str) -> Iterator[str]:
    overrides = file.endswith("_override.tf.json")
    for block in ("resource", "data"):
        for kind, instances in module.get(block, {}).items():
            known = merged[block].setdefault(kind, {})
            for name, body in instances.items():
                if (name in known) is not overrides:
                    problem = "overrides nothing" if overrides else "is defined twice"
                    yield f"{file}: {kind}.{name} {problem}"
                known[name] = {**known.get(name, {}), **body}
    for key, value in module.get("terraform", {}).items():
        merged["terraform"][key] = (
            {**merged["terraform"].get(key, {}), **value} if isinstance(value, dict) else value
        )


def _version_problems(terraform: Mapping[str, Any]) -> Iterator[str]:
    required = terraform.get("required_version", "<")
    provider = terraform.get("required_providers", {}).get("aws", {}).get("version", "<")
    if "<" in required:
        yield f"required_version {required} excludes newer versions of Terraform"
    if "<" in provider:
        yield f"the version {provider} excludes newer versions of the AWS provider"


NAMED = {
    "aws_cloudwatch_event_rule": ("", "the name {} is the same in every stage"),
    "aws_cloudwatch_log_group": ("/aws/lambda/", "{} is not the log of a function"),
}


def _name_problems(resources: Mapping[str, Any], stage: Stage) -> Iterator[str]:
    for kind, (folder, problem) in NAMED.items():
        for name, body in resources.get(kind, {}).items():
            if not body["name"].startswith(f"{folder}{stage.prefix}-"):
                yield f"{kind}.{name}: {problem.format(body['name'])}"


REFERENCE = re.compile(r"\$\{(data\.)?([a-z]\w*)\.([\w-]+)\.")
FIXED = re.compile(r"arn:aws[a-z-]*:|(?<!\d)\d{12}(?!\d)")


def _reference_problems(merged: Mapping[str, Any], given: Iterable[str]) -> Iterator[str]:
    """Yield the references to nothing, and fixed locations that the operator did not give."""
    text = json.dumps(merged)
    for data, kind, name in sorted(set(REFERENCE.findall(text))):
        if kind != "path" and name not in merged["data" if data else "resource"].get(kind, {}):
            yield f"{data}{kind}.{name} is referenced, and does not exist"
    text = json.dumps({**merged, "resource": _without_configured(merged["resource"])})
    for arn in given:
        text = text.replace(arn, "") if arn else text
    for fixed in sorted(set(FIXED.findall(text))):
        yield f"{fixed} fixes a partition or an account"


def _without_configured(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resources without policies and dashboard, which follow from the configuration.

    Those name what is the operator's own. A table or group may have twelve digits in its name, and
    a topic or secret is given by its ARN. They themselves fix no location: tests prove it.
    """
    kept = {
        name: policy
        for name, policy in resources.get("aws_iam_role_policy", {}).items()
        if policy.get("name") != permissions.NAME
    }
    return {**resources, "aws_iam_role_policy": kept, "aws_cloudwatch_dashboard": {}}
