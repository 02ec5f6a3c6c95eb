"""Which members of an alarm PutMetricAlarm could not send back.

botocore's parser drops the members that its model does not know, and PutMetricAlarm overwrites the
whole alarm. So DescribeAlarms' answer is read once more, as it came over the wire, and compared
with PutMetricAlarm's model of the botocore that runs.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from botocore.parsers import create_parser

#: The key under which a page of DescribeAlarms holds the alarms as they came over the wire.
WIRE = "HeadroomWire"
#: Members that an alarm has and that nobody sets. A new one of them must not stop every rewrite.
#: Source: API_MetricAlarm and API_PutMetricAlarm, read 2026-11: no settable one has such a name.
READ_ONLY = re.compile(r"State.*|.*(Arn|Timestamp|State|Status)")


def keep_wire(client: Any) -> None:
    """Let a client of CloudWatch keep the alarms as they come over the wire.

    The event is botocore's: it gives a response's body before it is parsed, and adds to the result.
    """
    client.meta.events.register(
        "before-parse.cloudwatch.DescribeAlarms", _keep, unique_id="headroom-wire"
    )


def _keep(
    response_dict: Mapping[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    if response_dict["status_code"] == 200:
        customized_response_dict[WIRE] = _alarms(response_dict["body"])


def _alarms(body: bytes) -> list[Any]:
    """Return the alarms of an answer in one of CloudWatch's protocols: query, JSON or CBOR."""
    if body.lstrip().startswith(b"<"):
        answer = _value(ElementTree.fromstring(body))["DescribeAlarmsResult"]  # noqa: S314 (AWS's)
    elif body.lstrip().startswith(b"{"):
        answer = json.loads(body)
    else:
        parser = create_parser("smithy-rpc-v2-cbor")
        answer = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body))
    return list((answer or {}).get("MetricAlarms") or [])


def _value(element: ElementTree.Element) -> Any:
    """Return an element of the query protocol as a list, a structure or a text."""
    parts = [(part.tag.rpartition("}")[2], _value(part)) for part in element]
    if parts and all(name == "member" for name, _ in parts):
        return [value for _, value in parts]
    return dict(parts) if parts else element.text


def unsendable(alarms: Iterable[Mapping[str, Any]], client: Any) -> Iterator[tuple[str, ...]]:
    """Yield the members of each alarm that PutMetricAlarm's model lacks, such as `A` or `A.B`."""
    model = client.meta.service_model
    known = model.shape_for("MetricAlarm").members
    settable = model.operation_model("PutMetricAlarm").input_shape
    read_only = known.keys() - settable.members.keys()
    for alarm in alarms:
        lacking = _unknown(alarm, settable, "")
        yield tuple(
            dict.fromkeys(
                path
                for path in lacking
                if path not in read_only and ("." in path or not READ_ONLY.fullmatch(path))
            )
        )


def _unknown(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Yield the paths below a value that its shape lacks. What is empty is not set."""
    if isinstance(value, list) and shape.type_name == "list":
        for item in value:
            yield from _unknown(item, shape.member, path)
    elif isinstance(value, Mapping) and shape.type_name == "structure":
        for name, part in value.items():
            below = f"{path}.{name}" if path else name
            if part in (None, "", [], {}):
                continue
            if name in shape.members:
                yield from _unknown(part, shape.members[name], below)
            else:
                yield below
