"""The adapter of a table's billing mode: the note of a switch, and the switch."""

from typing import Any

from chalicelib.aws.client import AT_LIMIT, Aws
from chalicelib.aws.tables import ChangedMeanwhile, Refused, table_state
from chalicelib.model import Dimension, SetMode


def set_mode(aws: Aws, action: SetMode) -> None:
    """Switch a table's billing mode, or change its ceilings, if it is as the decision saw it.

    The tag comes first: after a stop between the two calls, DescribeTable shows that there was no
    switch. Raises Refused where DynamoDB declines, ChangedMeanwhile where the table has changed.
    """
    client = aws.client("dynamodb")
    table = table_state(client.describe_table(TableName=action.table)["Table"])
    if not table.active:
        raise ChangedMeanwhile(f"{table.name} is updating")
    named = {target for target, _ in action.units or action.ceilings}
    if table.on_demand != action.was or (action.units and named != set(table.targets())):
        raise ChangedMeanwhile(f"{table.name} has another billing mode, or other indexes, now")
    if action.switches:
        key, value = action.note
        client.tag_resource(ResourceArn=table.arn, Tags=[{"Key": key, "Value": value}])
    try:
        client.update_table(TableName=action.table, **_mode_update(action))
    except client.exceptions.ResourceInUseException as error:
        raise ChangedMeanwhile(error.response["Error"]["Message"]) from error
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in AT_LIMIT:
            raise
        raise Refused(error.response["Error"]["Message"]) from error


def _mode_update(action: SetMode) -> dict[str, Any]:
    """Return UpdateTable's parameters for a switch, or for ceilings.

    A table that becomes provisioned needs the units of all its indexes. Source: Developer Guide,
    "Considerations when switching capacity modes in DynamoDB", and API_OnDemandThroughput, read
    2026-11.
    """
    parts: dict[str, dict[str, int]] = {}
    kinds = ("ReadCapacityUnits", "WriteCapacityUnits")
    name = "ProvisionedThroughput"
    if action.on_demand:
        kinds, name = ("MaxReadRequestUnits", "MaxWriteRequestUnits"), "OnDemandThroughput"
    fields = dict(zip(Dimension, kinds, strict=True))
    for target, count in action.units or action.ceilings:
        parts.setdefault(target.index, {})[fields[target.dimension]] = count
    update: dict[str, Any] = {}
    if action.switches:
        update["BillingMode"] = "PAY_PER_REQUEST" if action.on_demand else "PROVISIONED"
    if "" in parts:
        update[name] = parts.pop("")
    indexes = [{"Update": {"IndexName": i, name: part}} for i, part in sorted(parts.items())]
    return update | ({"GlobalSecondaryIndexUpdates": indexes} if indexes else {})
