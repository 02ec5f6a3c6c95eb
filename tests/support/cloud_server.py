"""A moto server that a test deploys to: `python tests/cloud_server.py PROJECT STAGE` prints its
address, and ends with its input.

What moto leaves out is put in here, and nowhere in the product: a changed alarm state is published,
and a function runs the real app of the deployed project. moto's classes are private; it is a tool
of the tests, and its version is bounded in pyproject.toml.
"""

import contextlib
import importlib
import json
import os
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.cloudwatch.models import CloudWatchBackend
from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer
from moto.sns.models import sns_backends

NOW = "2026-11-20T12:00:00.000+0000"


def alarm_message(alarm: Any, before: str, account: str, region: str) -> dict[str, Any]:
    """Return what CloudWatch tells SNS of an alarm that changed its state."""
    return {
        "AlarmName": alarm.name,
        "AWSAccountId": account,
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": NOW,
        "Region": "US East (N. Virginia)",
        "AlarmArn": f"arn:aws:cloudwatch:{region}:{account}:alarm:{alarm.name}",
        "OldStateValue": before,
        "Trigger": {
            "MetricName": alarm.metric_name,
            "Namespace": alarm.namespace,
            "Statistic": str(alarm.statistic).upper(),
            "Dimensions": [{"name": d.name, "value": d.value} for d in alarm.dimensions],
            "Period": alarm.period,
            "EvaluationPeriods": alarm.evaluation_periods,
            "ComparisonOperator": alarm.comparison_operator,
            "Threshold": alarm.threshold,
        },
    }


def publish_state_changes() -> None:
    """Let SetAlarmState call the alarm's topics."""
    plain = CloudWatchBackend.set_alarm_state

    def set_alarm_state(
        self: Any, alarm_name: str, reason: str, reason_data: str, state_value: str
    ) -> None:
        alarm = self.alarms.get(alarm_name)
        before = alarm.state_value if alarm else ""
        plain(self, alarm_name, reason, reason_data, state_value)
        if before == state_value or not alarm.actions_enabled:
            return
        message = json.dumps(alarm_message(alarm, before, self.account_id, self.region_name))
        for arn in alarm.alarm_actions if state_value == "ALARM" else []:
            sns_backends[self.account_id][self.region_name].publish(
                message=message, arn=arn, subject=f'{state_value}: "{alarm.name}"'
            )

    CloudWatchBackend.set_alarm_state = set_alarm_state  # type: ignore[method-assign]


class Context:
    """Lambda's context, with time enough."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 60_000


class Functions:
    """The deployed project's functions, imported at the first event, when the configuration of the
    stage stands."""

    def __init__(self, project: Path, stage: str) -> None:
        self._project, self._stage = project, stage
        self._module: ModuleType | None = None
        self._lock = threading.Lock()

    def run(self, name: str, event: dict[str, Any]) -> tuple[str, bool]:
        """Return what a function answers as JSON, and whether it is an error."""
        short = name.rsplit("-", 1)[-1]
        with self._lock, contextlib.redirect_stdout(sys.stderr):
            try:
                return json.dumps(getattr(self._app(), short)(event, Context())), False
            except Exception as error:  # noqa: BLE001  any error of the function is its answer
                sys.stderr.write(f"{error!r}\n")
                return json.dumps(
                    {"errorType": type(error).__name__, "errorMessage": str(error)}
                ), True

    def _app(self) -> ModuleType:
        if self._module is None:
            os.chdir(self._project)
            sys.path.insert(0, str(self._project))
            settings = json.loads(Path(".chalice/config.json").read_text())
            os.environ.update(settings["stages"][self._stage]["environment_variables"])
            self._module = importlib.import_module("app")
        return self._module


def run_functions(functions: Functions) -> None:
    """Let SNS and Invoke run the app; SNS in a thread, since the function calls this very
    server."""

    def send_sns_message(
        self: Any,
        function_name: str,
        message: str,
        subject: str | None = None,
        qualifier: Any = None,
    ) -> None:
        del self, qualifier
        sns: Any = {"Message": message, "Subject": subject, "TopicArn": "", "MessageAttributes": {}}
        event = {"Records": [{"EventSource": "aws:sns", "Sns": sns}]}
        threading.Thread(target=functions.run, args=(function_name, event), daemon=True).start()

    def invoke(
        self: Any,
        function_name: str,
        qualifier: Any,
        body: Any,
        headers: Any,
        response_headers: dict[str, Any],
    ) -> bytes:
        del self, qualifier, headers
        answer, failed = functions.run(function_name.rsplit(":", 1)[-1], json.loads(body or "{}"))
        if failed:
            response_headers["x-amz-function-error"] = "Unhandled"
        return answer.encode()

    LambdaSimpleBackend.send_sns_message = send_sns_message  # type: ignore[method-assign]
    LambdaSimpleBackend.invoke = invoke  # type: ignore[method-assign]


def main() -> None:
    default_user_config["lambda"] = {"use_docker": False}
    publish_state_changes()
    run_functions(Functions(Path(sys.argv[1]), sys.argv[2]))
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    sys.stdout.write(f"{os.environ['AWS_ENDPOINT_URL']}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
