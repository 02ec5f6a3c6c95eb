"""The parts that others wrote: whether they are here, and their processes.

`make foreign` installs them. A test that needs one is skipped with a reason where it is missing.
"""

import contextlib
import importlib.util
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib.metrics import CONSUMED, NAMESPACE
from chalicelib.model import Target
from headroom.project import ROOT
from tests.support.builders import READS
from tests.support.deployed import NO_IMAGES

#: Where `make foreign` puts what comes from npm; git ignores it.
FOLDER = ROOT / ".foreign"
#: An environment with AWS's SAM translator and a parser of HCL.
PARSERS = FOLDER / "python" / "bin" / "python"
DYNALITE = FOLDER / "node_modules" / "dynalite"
#: Every answer of a local server is there sooner, also on a busy machine.
SECONDS = 60

needs_runtime_client = pytest.mark.skipif(
    importlib.util.find_spec("awslambdaric") is None,
    reason="awslambdaric is missing: `make foreign` installs it, on Linux",
)
needs_parsers = pytest.mark.skipif(
    not PARSERS.exists(),
    reason="the parsers of templates are missing: `make foreign` installs them",
)
needs_dynalite = pytest.mark.skipif(
    not (DYNALITE.exists() and shutil.which("node")),
    reason="dynalite or node is missing: `make foreign` installs dynalite where npm is",
)


@contextlib.contextmanager
def moto_server(project: Path, environment: dict[str, str], stage: str = "dev") -> Iterator[str]:
    """Serve an account of moto in a process of its own, and yield its address.

    project: the folder whose functions run when they are invoked there. Its `server.log` gets the
    server's errors.
    """
    server = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "support" / "cloud_server.py"), str(project), stage],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(project / "server.log").open("w"),
        env={**environment, **NO_IMAGES},
        text=True,
    )
    assert server.stdout
    assert server.stdin
    try:
        yield server.stdout.readline().strip()
    finally:
        server.stdin.close()
        server.wait(timeout=SECONDS)


def parsed(kind: str, *files: Path) -> Any:
    """Return what tests/foreign/parsers.py finds in files of a kind."""
    command: list[str | Path] = [PARSERS, ROOT / "tests" / "foreign" / "parsers.py", kind, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def client_of(endpoint: str) -> Callable[[str], Any]:
    """Return what makes the clients of a server's services."""
    return partial(
        boto3.Session().client,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def warm_up(client: Callable[[str], Any]) -> None:
    """Let moto import the services that Headroom calls. That takes longer than an answer may."""
    client("dynamodb").list_tables()
    client("cloudwatch").describe_alarms()
    client("sns").list_topics()
    client("sts").get_caller_identity()
    client("ec2").describe_instances()
    client("resourcegroupstaggingapi").get_resources()
    client("application-autoscaling").describe_scalable_targets(ServiceNamespace="dynamodb")


def publish_load(
    client: Callable[[str], Any], rate: float, target: Target = READS, minutes: int = 5
) -> None:
    """Put a load of so many units a second, in the last whole minutes, into CloudWatch."""
    now = int(time.time()) // 60 * 60
    index = [{"Name": "GlobalSecondaryIndexName", "Value": target.index}] if target.index else []
    client("cloudwatch").put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {
                "MetricName": CONSUMED[target.dimension],
                "Dimensions": [{"Name": "TableName", "Value": target.table}, *index],
                "Timestamp": now - 60 * minute,
                "Value": rate * 60,
            }
            for minute in range(1, minutes + 1)
        ],
    )


SERVE_DYNALITE = """
const times = { createTableMs: 0, deleteTableMs: 0, updateTableMs: UPDATE }
const server = require(process.argv[1])(times)
server.listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port))
"""


@contextlib.contextmanager
def dynalite(update_milliseconds: int = 0) -> Iterator[str]:
    """Serve dynalite, a DynamoDB in memory that its authors check against AWS; yield its address.

    update_milliseconds: how long a table stays UPDATING.
    """
    script = SERVE_DYNALITE.replace("UPDATE", str(update_milliseconds))
    server = subprocess.Popen(
        ["node", "-e", script, str(DYNALITE)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout
    try:
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait(timeout=SECONDS)
