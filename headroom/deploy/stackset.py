"""A stage as one CloudFormation template for many accounts and Regions: for a stack set.

It is the SAM template without its transform, since stack sets with service-managed permissions
support none, AWS::Serverless included. Source: API_CreateStackSet, Capabilities, 2026-11. What
differs between accounts or Regions is a parameter.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from headroom.deploy.blueprint import Document
from headroom.deploy.sam import LOCATION
from headroom.deploy.stage import Stage, StageError

#: SAM's properties of a function that are no properties of AWS::Lambda::Function.
OF_SAM = frozenset({"CodeUri", "Events", "EventInvokeConfig", "Tags", "Tracing"})
SCHEDULE = "SCALE_DOWN_SCHEDULE"


def template(sam: Mapping[str, Any], stage: Stage, package: Path) -> Document:
    """Return the template.

    sam: the whole SAM template. package: the functions' zip. Raises StageError for a stage that
    cannot be in several Regions.
    """
    if not stage.makes_topic:
        raise StageError("ALARM_TOPIC is an ARN, and so fixes one Region")
    resources: Document = {}
    for logical, resource in sam["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            resources |= _function(logical, resource["Properties"])
        else:
            resources[logical] = resource
    for resource in resources.values():
        _parametrise(resource)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Headroom, stage {stage.name}",
        "Parameters": _parameters(stage, package),
        "Conditions": {"NotifiesOperators": {"Fn::Not": [{"Fn::Equals": [_ref("Operators"), ""]}]}},
        "Resources": resources,
    }


def _parameters(stage: Stage, package: Path) -> Document:
    """Return the parameters. The key of the code follows from its content: another code is another
    key, which CloudFormation notices."""
    key = f"headroom-{sha256(package.read_bytes()).hexdigest()[:16]}.zip"
    schedule = stage.environment.get(SCHEDULE, "rate(1 hour)")
    operators = "" if stage.operators.startswith("arn:") else stage.operators
    texts = {
        "CodeBucketPrefix": (None, "The bucket of the code is this, a dash, and the Region."),
        "CodeKey": (key, "The key of deployment.zip in each of these buckets."),
        "ScaleDownSchedule": (schedule, "When the function scale_down runs."),
        "Operators": (
            operators,
            "The topic of the alarms about Headroom, by its name. May be empty.",
        ),
    }
    return {
        **{
            name: {"Type": "String", "Description": text, **_default(default)}
            for name, (default, text) in texts.items()
        },
        "LogDays": {
            "Type": "Number",
            "Default": stage.log_days,
            "Description": "How many days the logs are kept.",
        },
    }


def _default(value: str | None) -> dict[str, str]:
    return {} if value is None else {"Default": value}


def _parametrise(resource: Document) -> None:
    """Replace what differs between accounts or Regions by parameters."""
    properties = resource["Properties"]
    match resource["Type"]:
        case "AWS::Logs::LogGroup":
            properties["RetentionInDays"] = _ref("LogDays")
        case "AWS::CloudWatch::Alarm":
            topic = {"Fn::Sub": LOCATION.arn("sns", "${Operators}")}
            functions = [a for a in properties.get("AlarmActions", []) if ":lambda:" in str(a)]
            properties["AlarmActions"] = [
                {"Fn::If": ["NotifiesOperators", topic, _ref("AWS::NoValue")]},
                *functions,
            ]
        case "AWS::Lambda::Function" if "S3Key" in properties["Code"]:
            properties["Environment"]["Variables"][SCHEDULE] = _ref("ScaleDownSchedule")
        case "AWS::Events::Rule" if properties["Targets"][0]["Arn"] == _arn("ScaleDown"):
            properties["ScheduleExpression"] = _ref("ScaleDownSchedule")


def _function(logical: str, sam: Mapping[str, Any]) -> Document:
    """Return a function and what SAM would make of its events and retries."""
    bucket = {"Fn::Sub": "${CodeBucketPrefix}-${AWS::Region}"}
    properties: Document = {
        **{key: value for key, value in sam.items() if key not in OF_SAM},
        "Code": {"S3Bucket": bucket, "S3Key": _ref("CodeKey")},
        "TracingConfig": {"Mode": sam["Tracing"]},
        "Tags": [{"Key": key, "Value": value} for key, value in sam["Tags"].items()],
    }
    resources = {logical: _resource("Lambda::Function", **properties)}
    if "EventInvokeConfig" in sam:
        resources[f"{logical}Retries"] = _retries(logical, sam["EventInvokeConfig"])
    for name, event in sam.get("Events", {}).items():
        if event["Type"] not in EVENTS:
            raise StageError(f"function {logical}: unknown event {event['Type']}")
        resources |= EVENTS[event["Type"]](name, logical, event["Properties"])
    return resources


def _retries(logical: str, sam: Mapping[str, Any]) -> Document:
    failure = {"Destination": sam["DestinationConfig"]["OnFailure"]["Destination"]}
    return _resource(
        "Lambda::EventInvokeConfig",
        FunctionName=_ref(logical),
        Qualifier="$LATEST",
        **{**sam, "DestinationConfig": {"OnFailure": failure}},
    )


def _rule(name: str, logical: str, event: Mapping[str, Any]) -> Document:
    """Return the rule of a schedule or of a pattern, and its permission."""
    when = (
        {"ScheduleExpression": event["Schedule"]}
        if "Schedule" in event
        else {"EventPattern": event["Pattern"]}
    )
    targets = [{"Arn": _arn(logical), "Id": f"{logical}Target"}]
    return {
        name: _resource("Events::Rule", **when, Targets=targets),
        f"{name}Permission": _permission(logical, "events.amazonaws.com", _arn(name)),
    }


def _subscription(name: str, logical: str, event: Mapping[str, Any]) -> Document:
    topic, redrive = event["Topic"], event["RedrivePolicy"]
    endpoint = {"Protocol": "lambda", "Endpoint": _arn(logical), "RedrivePolicy": redrive}
    return {
        name: _resource("SNS::Subscription", TopicArn=topic, **endpoint),
        f"{name}Permission": _permission(logical, "sns.amazonaws.com", topic),
    }


def _reader(name: str, logical: str, event: Mapping[str, Any]) -> Document:
    """Return what lets a function read a queue. Its other properties have SAM's names."""
    others = {key: value for key, value in event.items() if key != "Queue"}
    source = {"EventSourceArn": event["Queue"], "FunctionName": _ref(logical), **others}
    return {name: _resource("Lambda::EventSourceMapping", **source)}


EVENTS: Mapping[str, Callable[[str, str, Mapping[str, Any]], Document]] = {
    "Schedule": _rule,
    "CloudWatchEvent": _rule,
    "SNS": _subscription,
    "SQS": _reader,
}


def _permission(logical: str, principal: str, source: Any) -> Document:
    return _resource(
        "Lambda::Permission",
        Action="lambda:InvokeFunction",
        FunctionName=_ref(logical),
        Principal=principal,
        SourceArn=source,
    )


def _resource(kind: str, **properties: Any) -> Document:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def _ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def _arn(logical: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [logical, "Arn"]}
