"""The adapter of DynamoDB's tables: read their throughput, and set it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chalicelib.aws.client import AT_LIMIT, Aws
from chalicelib.aws.threads import Answers
from chalicelib.model import (
    Change,
    Dimension,
    SetCapacity,
    TableState,
    Target,
    Throughput,
)

#: A table as it is now: None if it does not exist, the error if AWS gave one.
Description = TableState | Exception | None


class Refused(Exception):
    """AWS refused in an expected way: no decrease left, a table that is updating or has changed."""


class ChangedMeanwhile(Refused):
    """The table is no longer as the decision saw it. The old numbers must not be written."""


class AtLimit(Exception):
    """DynamoDB refused an increase: too many table operations at once, or the account's quota."""


def table_names(aws: Aws) -> list[str]:
    """Return the names of all tables of the Region."""
    pages = aws.client("dynamodb").get_paginator("list_tables").paginate()
    return [name for page in pages for name in page["TableNames"]]


def describe_tables(aws: Aws, names: Sequence[str]) -> dict[str, Description]:
    """Return each table as it is now. The time that this takes has no limit."""
    answers = descriptions(aws)
    answers.fetch(names)
    return {name: answers.results[name] for name in names}


def descriptions(aws: Aws) -> Answers[str, Description]:
    """Return what describes tables side by side, and keeps those that are described."""
    client = aws.client("dynamodb")
    return Answers(aws.threads, lambda name: _describe(client, name))


def set_capacity(aws: Aws, action: SetCapacity) -> None:
    """Make one UpdateTable call, if the table is still as the decision saw it.

    Raises Refused where DynamoDB declines, ChangedMeanwhile where the table has changed, AtLimit
    where it takes no increase now.
    """
    client = aws.client("dynamodb")
    table = table_state(client.describe_table(TableName=action.table)["Table"])
    _check_unchanged(table, action.changes)
    try:
        client.update_table(TableName=action.table, **_update(table, action.changes))
    except client.exceptions.ResourceInUseException as error:
        raise ChangedMeanwhile(error.response["Error"]["Message"]) from error
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in AT_LIMIT:
            raise
        is_increase = any(change.desired > change.current for change in action.changes)
        kind = AtLimit if is_increase else Refused
        raise kind(error.response["Error"]["Message"]) from error


def _describe(client: Any, name: str) -> Description:
    try:
        return table_state(client.describe_table(TableName=name)["Table"])
    except client.exceptions.ResourceNotFoundException:
        return None
    # one table's answer must not stop the others; the error is raised at the end
    except Exception as error:  # noqa: BLE001
        return error


def table_state(table: Mapping[str, Any]) -> TableState:
    """Return a table as DescribeTable describes it."""
    mode = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    status = table["TableStatus"]
    parts = {"": {**table, "IndexStatus": status}}
    table_indexes = table.get("GlobalSecondaryIndexes", [])
    parts |= {index["IndexName"]: index for index in table_indexes}
    throughputs = {
        # no index can be changed while its table updates
        name: _throughput(
            part,
            part["IndexStatus"] if status == "ACTIVE" else status,
        )
        for name, part in parts.items()
        # archived tables and half-made indexes have nothing to set
        if mode == "PAY_PER_REQUEST"
        or part.get("ProvisionedThroughput", {}).get("ReadCapacityUnits")
    }
    return TableState(
        name=table["TableName"],
        arn=table["TableArn"],
        active=status == "ACTIVE",
        on_demand=mode == "PAY_PER_REQUEST",
        throughputs=throughputs,
        replicas=tuple(sorted(replica["RegionName"] for replica in table.get("Replicas", []))),
        table_class=table.get("TableClassSummary", {}).get("TableClass", "STANDARD"),
        on_demand_at=table.get("BillingModeSummary", {}).get("LastUpdateToPayPerRequestDateTime"),
        ceilings=_ceilings(table["TableName"], parts),
        size_bytes=int(table.get("TableSizeBytes", 0))
        + sum(int(index.get("IndexSizeBytes", 0)) for index in table_indexes),
    )


def _ceilings(table: str, parts: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[Target, int], ...]:
    """Return the maximum throughput on demand, of the targets that have one; -1 is none."""
    names = {Dimension.READ: "MaxReadRequestUnits", Dimension.WRITE: "MaxWriteRequestUnits"}
    found = {
        Target(table, index, d): int(part.get("OnDemandThroughput", {}).get(name, -1))
        for index, part in parts.items()
        for d, name in names.items()
    }
    return tuple((target, count) for target, count in found.items() if count > 0)


def _throughput(part: Mapping[str, Any], status: str) -> Throughput:
    """Return the throughput of a table or an index, as DescribeTable describes it."""
    description, warm = part.get("ProvisionedThroughput", {}), part.get("WarmThroughput") or {}
    names = {Dimension.READ: "ReadUnitsPerSecond", Dimension.WRITE: "WriteUnitsPerSecond"}
    return Throughput(
        units={
            Dimension.READ: int(description.get("ReadCapacityUnits", 0)),
            Dimension.WRITE: int(description.get("WriteCapacityUnits", 0)),
        },
        active=status == "ACTIVE",
        decreases_today=int(description.get("NumberOfDecreasesToday", 0)),
        last_increase_at=description.get("LastIncreaseDateTime"),
        last_decrease_at=description.get("LastDecreaseDateTime"),
        warm={d: int(warm[name]) for d, name in names.items() if warm.get(name)},
    )


def _check_unchanged(table: TableState, changes: Iterable[Change]) -> None:
    if not table.active:
        raise ChangedMeanwhile(f"{table.name} is updating")
    for change in changes:
        throughput = table.throughputs.get(change.target.index)
        if throughput and not throughput.active:
            raise ChangedMeanwhile(f"index {change.target.owner} is updating")
        units = table.units(change.target)
        if units != change.current:
            raise ChangedMeanwhile(f"{change.target} has {units} units now, not {change.current}")


def _update(table: TableState, changes: Iterable[Change]) -> dict[str, Any]:
    """Return UpdateTable's parameters. Both dimensions are required of each table or index."""
    units = {index: dict(throughput.units) for index, throughput in table.throughputs.items()}
    changed = set()
    for change in changes:
        units[change.target.index][change.target.dimension] = change.desired
        changed.add(change.target.index)
    update: dict[str, Any] = {}
    if "" in changed:
        update["ProvisionedThroughput"] = _provisioned(units[""])
    indexes = [
        {"Update": {"IndexName": index, "ProvisionedThroughput": _provisioned(units[index])}}
        for index in sorted(changed - {""})
    ]
    return update | ({"GlobalSecondaryIndexUpdates": indexes} if indexes else {})


def _provisioned(units: Mapping[Dimension, int]) -> dict[str, int]:
    return {
        "ReadCapacityUnits": units[Dimension.READ],
        "WriteCapacityUnits": units[Dimension.WRITE],
    }
