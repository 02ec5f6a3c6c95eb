"""What AWS's price APIs answer for eu-west-1, in the shapes of GetProducts, whose PriceList holds
JSON texts, and of DescribeSavingsPlansOfferingRates. Source: the service models of botocore 1.44.8,
read 2026-12; these name the units of requests and of provisioned capacity too.

The units' prices are those of chalicelib/core/price_list.py; the reserved ones of the same source;
the rest is of us-east-1 or made up.
"""

import json
from collections.abc import Mapping
from typing import Any

#: USD by usage type, after the free units.
PRICES = {
    "EU-ReadCapacityUnit-Hrs": 0.000147,
    "EU-WriteCapacityUnit-Hrs": 0.000735,
    "EU-ReadRequestUnits": 0.0000001415,
    "EU-WriteRequestUnits": 0.0000007075,
    "EU-TimedStorage-ByteHrs": 0.283,
    "EU-IA-ReadCapacityUnit-Hrs": 0.000183,
    "EU-IA-WriteCapacityUnit-Hrs": 0.000919,
    "EU-IA-ReadRequestUnits": 0.00000018,
    "EU-IA-WriteRequestUnits": 0.00000088,
    "EU-IA-TimedStorage-ByteHrs": 0.1132,
    "EU-ReplWriteCapacityUnit-Hrs": 0.000735,
    "EU-TimedPITRStorage-ByteHrs": 0.224,
}
#: USD for a block of 100 units: upfront and an hour, for one year and for three.
RESERVED = {
    "EU-ReadCapacityUnit-Hrs": {"1yr": (33.9, 0.0029), "3yr": (40.68, 0.0018)},
    "EU-WriteCapacityUnit-Hrs": {"1yr": (169.5, 0.0145), "3yr": (203.4, 0.0092)},
}
FREE = {"EU-ReadCapacityUnit-Hrs", "EU-WriteCapacityUnit-Hrs"}
PLAN_PERCENT = {"CapacityUnit-Hrs": 88, "RequestUnits": 82}


def products(usage_types: Mapping[str, float] = PRICES) -> list[str]:
    """Return the entries of a PriceList."""
    return [json.dumps(_product(name, price)) for name, price in usage_types.items()]


def _product(name: str, price: float) -> dict[str, Any]:
    ranges = (
        [("0", "18600", 0.0), ("18600", "Inf", price)] if name in FREE else [("0", "Inf", price)]
    )
    is_storage = name.endswith("ByteHrs")
    unit = "GB-Mo" if is_storage else name.removeprefix("EU-").removeprefix("IA-")
    dimensions = {
        f"{name}.{begin}": {
            "unit": unit,
            "beginRange": begin,
            "endRange": end,
            "pricePerUnit": {"USD": f"{usd:.10f}"},
        }
        for begin, end, usd in ranges
    }
    reserved = {
        f"{name}.{length}": {
            "priceDimensions": {
                "upfront": {"unit": "Quantity", "pricePerUnit": {"USD": str(upfront)}},
                "hourly": {"unit": unit, "beginRange": "0", "pricePerUnit": {"USD": str(hour)}},
            },
            "termAttributes": {
                "LeaseContractLength": length,
                "PurchaseOption": "Heavy Utilization",
            },
        }
        for length, (upfront, hour) in RESERVED.get(name, {}).items()
    }
    return {
        "serviceCode": "AmazonDynamoDB",
        "product": {
            "sku": name,
            "productFamily": "Provisioned IOPS",
            "attributes": {"usagetype": name, "regionCode": "eu-west-1"},
        },
        "terms": {
            "OnDemand": {name: {"priceDimensions": dimensions, "termAttributes": {}}},
            **({"Reserved": reserved} if reserved else {}),
        },
    }


def get_products(params: Mapping[str, Any]) -> dict[str, Any]:
    """Answer GetProducts in two pages."""
    found = products()
    if "NextToken" in params:
        return {"FormatVersion": "aws_v1", "PriceList": found[6:]}
    return {"FormatVersion": "aws_v1", "PriceList": found[:6], "NextToken": "more"}


def offering_rates(params: Mapping[str, Any]) -> dict[str, Any]:
    """Answer DescribeSavingsPlansOfferingRates in two pages."""
    offering = {
        "offeringId": "1",
        "paymentOption": "No Upfront",
        "planType": "Database",
        "durationSeconds": 31_536_000,
        "currency": "USD",
    }
    results = [
        {
            "savingsPlanOffering": offering,
            "rate": f"{price * percent / 100:.12f}",
            "productType": "DynamoDB",
            "serviceCode": "AmazonDynamoDB",
            "usageType": name,
        }
        for name, price in PRICES.items()
        for part, percent in PLAN_PERCENT.items()
        if name.endswith(part)
    ]
    if "nextToken" in params:
        return {"searchResults": results[3:]}
    return {"searchResults": results[:3], "nextToken": "more"}
