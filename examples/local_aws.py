"""Make the table `orders` in a local AWS, with 100 units and the load of two hours: 95 reads and 30
writes a second.

    python examples/local_aws.py

It does so only if AWS_ENDPOINT_URL names this machine.
"""

import os
import sys
from datetime import UTC, datetime, timedelta

import boto3
from botocore.exceptions import EndpointConnectionError

UNITS, MINUTES = 100, 120
LOAD = {"Read": 95.0, "Write": 30.0}


def main() -> None:
    """Make the table, and put its load into the metrics."""
    if "//127.0.0.1" not in os.environ.get("AWS_ENDPOINT_URL", ""):
        sys.exit("AWS_ENDPOINT_URL is not of this machine: make local-aws starts a local AWS")
    boto3.client("dynamodb").create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        ProvisionedThroughput={"ReadCapacityUnits": UNITS, "WriteCapacityUnits": UNITS},
    )
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    boto3.client("cloudwatch").put_metric_data(
        Namespace="AWS/DynamoDB",
        MetricData=[
            {
                "MetricName": f"Consumed{dimension}CapacityUnits",
                "Dimensions": [{"Name": "TableName", "Value": "orders"}],
                "Timestamp": now - timedelta(minutes=minute),
                "Value": units * 60,
            }
            for dimension, units in LOAD.items()
            for minute in range(1, MINUTES)
        ],
    )
    loads = " and ".join(f"{units:.0f} {kind.lower()}s" for kind, units in LOAD.items())
    sys.stdout.write(f"Made orders: {UNITS} units each, and {loads} a second for two hours.\n")


if __name__ == "__main__":
    try:
        main()
    except EndpointConnectionError:
        sys.exit(f"Nothing answers at {os.environ['AWS_ENDPOINT_URL']}: wait for make local-aws")
