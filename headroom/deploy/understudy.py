"""The function that lets Application Auto Scaling take over: its code, its role, and its settings.

It is no function of Chalice: what breaks Headroom's code or configuration must not break it.
"""

import io
import zipfile
from hashlib import sha256
from pathlib import Path

from chalicelib.config.rules import Config
from chalicelib.core.table_alarms import TOPIC_TAG
from headroom.deploy import permissions
from headroom.deploy.account import Location
from headroom.deploy.blueprint import Document
from headroom.deploy.stage import UNDERSTUDY, Stage

SOURCE = Path(__file__).with_name("understudy_function.py")
#: CloudFormation puts inline code into a module of this name. Source: AWS::Lambda::Function Code,
#: ZipFile, read 2026-11.
MODULE = "index"
HANDLER = f"{MODULE}.handler"
RUNTIME = "python3.13"
TIMEOUT_SECONDS, MEMORY_MB = 300, 256
#: Lambda keeps an event of which it could not run the function for so long, six hours at most, and
#: tries it again: the account's concurrency may be used up. Source: Lambda Developer Guide,
#: "How Lambda handles errors and retries with asynchronous invocation", read 2026-11.
INVOKE_SETTINGS = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 21_600}
#: The characters of a digest of the source.
DIGEST = 16
#: With more characters, the role's policy names no table.
MOST_CHARACTERS = 5_000


def code() -> bytes:
    """Return the zip of the function: the same bytes on every machine, so not compressed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo(f"{MODULE}.py")
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, SOURCE.read_bytes())
    return file.getvalue()


def environment(stage: Stage, topic_arn: str) -> dict[str, str]:
    """Return the function's environment variables. By SOURCE, the doctor knows which code is
    deployed: CloudFormation makes a zip of its own."""
    digest = sha256(SOURCE.read_bytes()).hexdigest()[:DIGEST]
    return {"ALARM_TOPIC_ARN": topic_arn, "STAGE": stage.name, "SOURCE": digest}


def assume_role_policy() -> Document:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }


def role_policy(stage: Stage, location: Location, rules: Config, topic_arn: str) -> Document:
    """Return what the function may do: resume the scalable targets of its stage.

    Application Auto Scaling checks that the caller may change the table, too. Source: Application
    Auto Scaling User Guide, "Permissions required for API actions on target services and
    CloudWatch", read 2026-11.
    """
    targets = location.arn("application-autoscaling", "scalable-target/*")
    tables = [location.arn("dynamodb", f"table/{p}") for p in permissions.table_patterns(rules)]
    if permissions.characters(tables) > MOST_CHARACTERS:
        tables = [location.arn("dynamodb", "table/*")]
    statements: list[Document] = [
        _allow("FindTargets", ["application-autoscaling:DescribeScalableTargets"], "*"),
        _allow("ReadTheirTags", ["application-autoscaling:ListTagsForResource"], targets),
        {
            **_allow("ResumeOwn", ["application-autoscaling:RegisterScalableTarget"], targets),
            "Condition": {"StringEquals": {f"aws:ResourceTag/{TOPIC_TAG}": topic_arn}},
        },
        _allow("AsTheTablesScaler", ["dynamodb:DescribeTable", "dynamodb:UpdateTable"], tables),
        _allow(
            "WriteLogs",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            location.arn("logs", f"log-group:/aws/lambda/{stage.function(UNDERSTUDY)}:*"),
        ),
        _allow("SendWhatFails", ["sqs:SendMessage"], location.arn("sqs", stage.dead_letters)),
    ]
    return {
        "Version": "2012-10-17",
        "Statement": [statement for statement in statements if statement["Resource"]],
    }


def _allow(sid: str, actions: list[str], resource: str | list[str]) -> Document:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
