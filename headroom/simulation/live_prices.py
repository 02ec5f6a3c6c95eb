"""Prices of one Region as AWS lists them now: the Price List and the Savings Plans API.

The operator's own permissions are used: pricing:GetProducts and
savingsplans:DescribeSavingsPlansOfferingRates, which have no resources. What CloudWatch and Lambda
charge stays as in the price file: it is little, and differs little.

Usage types: Developer Guide, "Best practices for understanding your AWS billing and usage reports
in DynamoDB", read 2026-11. Shapes: GetProducts of the Price List API and
DescribeSavingsPlansOfferingRates, botocore 1.44. Outside the partition `aws` neither is offered.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from msgspec import structs

from headroom.operator_error import OperatorError
from headroom.simulation.commitments import BLOCK_UNITS
from headroom.simulation.pricing import ClassPrices, Prices, UnitPrices

#: The Price List API is in few Regions; this one has the prices of all. Savings Plans are global.
API_REGION = "us-east-1"
PREFIX = re.compile(r"^[A-Z]+\d*-")
HOURS_A_YEAR = 8_760
PAGE = 1_000
READ, WRITE = "ReadCapacityUnit-Hrs", "WriteCapacityUnit-Hrs"
READS, WRITES = "ReadRequestUnits", "WriteRequestUnits"
STORAGE = "TimedStorage-ByteHrs"
WANTED = frozenset(
    name for base in (READ, WRITE, READS, WRITES, STORAGE) for name in (base, f"IA-{base}")
)
Client = Callable[[str, str], Any]
#: USD for one unit, by years: upfront, and for an hour.
Terms = Mapping[int, tuple[float, float]]


class NoPriceError(OperatorError):
    """AWS's price list lacks a price."""


def read(client: Client, region: str, today: date, default: Prices) -> Prices:
    """Return the prices of a Region. default: for what these APIs do not know.

    Raises NoPriceError where the list has no price of a unit.
    """
    listed: dict[str, float] = {}
    reserved: dict[str, Terms] = {}
    for product in _products(client, region):
        name = usage(product["product"]["attributes"].get("usagetype", ""))
        terms = product.get("terms", {})
        if name in WANTED and terms.get("OnDemand"):
            listed[name] = _last_price(terms["OnDemand"])
            reserved[name] = _reserved(terms.get("Reserved", {}), listed[name])
    plan = _plan_rates(client, region)
    missing = [name for name in (READ, WRITE, READS, WRITES) if not listed.get(name)]
    if missing:
        raise NoPriceError(f"AWS lists no price of {', '.join(missing)} in {region}")
    return structs.replace(
        default,
        region=region,
        read_on=today,
        source="AWS Price List API and Savings Plans API",
        read=_unit(READ, READS, listed, reserved, plan),
        write=_unit(WRITE, WRITES, listed, reserved, plan),
        gb_month=listed.get(STORAGE, 0.0),
        infrequent_access=_infrequent_access(listed),
    )


def usage(usage_type: str) -> str:
    """Return a usage type without its Region, such as `EUC1-`; us-east-1 has none."""
    return usage_type if usage_type in WANTED else PREFIX.sub("", usage_type, count=1)


def _products(client: Client, region: str) -> Iterator[Mapping[str, Any]]:
    pages = client("pricing", API_REGION).get_paginator("get_products")
    only = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}]
    for page in pages.paginate(ServiceCode="AmazonDynamoDB", Filters=only, FormatVersion="aws_v1"):
        yield from map(json.loads, page["PriceList"])


def _dimensions(term: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], float]]:
    for dimension in term["priceDimensions"].values():
        yield dimension, float(dimension["pricePerUnit"].get("USD", 0.0))


def _last_price(offers: Mapping[str, Any]) -> float:
    """Return the price after the free units, which come first."""
    found = [
        (float(dimension.get("beginRange", 0) or 0), price)
        for offer in offers.values()
        for dimension, price in _dimensions(offer)
    ]
    return max(found)[1]


def _reserved(offers: Mapping[str, Any], unit_hour: float) -> Terms:
    """Return the reserved terms of a unit, by years.

    AWS sells blocks of 100 units. A price an hour above that of one unit is that of a block.
    """
    terms: dict[int, tuple[float, float]] = {}
    for offer in offers.values():
        length = str(offer.get("termAttributes", {}).get("LeaseContractLength", ""))
        prices = {d["unit"] == "Quantity": price for d, price in _dimensions(offer)}
        if not length[:1].isdigit() or set(prices) != {True, False}:
            continue
        years, upfront, hour = int(length[0]), prices[True], prices[False]
        if upfront / (years * HOURS_A_YEAR) + hour > unit_hour:
            upfront, hour = upfront / BLOCK_UNITS, hour / BLOCK_UNITS
        terms[years] = upfront, hour
    return terms


def _unit(
    unit: str,
    requests: str,
    listed: Mapping[str, float],
    reserved: Mapping[str, Terms],
    plan: Mapping[str, float],
) -> UnitPrices:
    terms = reserved.get(unit, {})
    hours = {n: up / (n * HOURS_A_YEAR) + hour for n, (up, hour) in terms.items()}
    return UnitPrices(
        unit_hour=listed[unit],
        million_requests=listed[requests] * 1e6,
        # without an offer, reserving saves nothing
        reserved_hour_1_year=hours.get(1, listed[unit]),
        reserved_hour_3_years=hours.get(3, 0.0),
        upfront_1_year=terms.get(1, (0.0, 0.0))[0],
        upfront_3_years=terms.get(3, (0.0, 0.0))[0],
        plan_unit_hour=plan.get(unit, 0.0),
        plan_million_requests=plan.get(requests, 0.0) * 1e6,
    )


def _infrequent_access(listed: Mapping[str, float]) -> ClassPrices | None:
    names = [f"IA-{name}" for name in (READ, WRITE, READS, WRITES, STORAGE)]
    if not all(listed.get(name) for name in names):
        return None
    read_hour, write_hour, read_request, write_request, storage = (listed[n] for n in names)
    return ClassPrices(read_hour, write_hour, read_request * 1e6, write_request * 1e6, storage)


def _plan_rates(client: Client, region: str) -> Mapping[str, float]:
    """Return USD by usage type under a Database Savings Plan."""
    api, rates = client("savingsplans", API_REGION), dict[str, float]()
    token: dict[str, str] = {}
    while True:
        page = api.describe_savings_plans_offering_rates(
            savingsPlanTypes=["Database"],
            products=["DynamoDB"],
            filters=[{"name": "region", "values": [region]}],
            maxResults=PAGE,
            **token,
        )
        rates |= dict(_rates(page["searchResults"]))
        if not page.get("nextToken"):
            return rates
        token = {"nextToken": page["nextToken"]}


def _rates(results: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    for result in results:
        name = usage(result.get("usageType", ""))
        if name in WANTED:
            yield name, float(result["rate"])
