"""AWS's own price lists: what is read of them, through boto3."""

import json
from collections.abc import Iterator
from datetime import date

import pytest

from chalicelib.aws.client import Aws
from headroom.region.region import Region
from headroom.simulation import live_prices, pricing
from headroom.simulation.live_prices import NoPriceError
from headroom.simulation.pricing import Prices
from tests.support import price_list

TODAY = date(2026, 11, 30)


@pytest.fixture
def region() -> Iterator[Region]:
    with Region(name="eu-west-1") as made:
        made.answers["pricing", "GetProducts"] = price_list.get_products
        answer = price_list.offering_rates
        made.answers["savingsplans", "DescribeSavingsPlansOfferingRates"] = answer
        yield made


def read(region: str = "eu-west-1") -> Prices:
    return live_prices.read(Aws("topic").client, region, TODAY, pricing.load())


def test_the_prices_of_the_region_are_read(region: Region) -> None:
    found = read()
    assert (found.region, found.read_on) == ("eu-west-1", TODAY)
    assert found.source == "AWS Price List API and Savings Plans API"
    assert found.read.unit_hour == 0.000147
    assert found.write.million_requests == pytest.approx(0.7075)
    assert found.gb_month == 0.283
    assert found.headroom == pricing.load().headroom
    requested = {call.operation: call.params for call in region.calls}
    assert requested["GetProducts"]["Filters"] == [
        {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "eu-west-1"}
    ]
    assert requested["DescribeSavingsPlansOfferingRates"]["savingsPlanTypes"] == ["Database"]


@pytest.mark.usefixtures("region")
def test_a_block_of_100_reserved_units_is_told_from_one_unit() -> None:
    found = read()
    assert found.read.reserved_hour_1_year == pytest.approx(0.339 / 8_760 + 0.000029)
    assert found.write.reserved_hour_3_years == pytest.approx(2.034 / 26_280 + 0.000092)
    assert (found.read.upfront_1_year, found.write.upfront_3_years) == pytest.approx((0.339, 2.034))


@pytest.mark.usefixtures("region")
def test_the_other_class_and_the_savings_plan_are_read() -> None:
    found = read()
    assert found.infrequent_access is not None
    assert found.infrequent_access.write_unit_hour == 0.000919
    assert found.infrequent_access.gb_month == 0.1132
    assert found.read.plan_unit_hour == pytest.approx(0.88 * 0.000147)
    assert found.write.plan_million_requests == pytest.approx(0.82 * 0.7075)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_usage_type_with_and_without_its_region_counts_once(
    region: Region, is_first: bool
) -> None:
    """In us-east-1 most usage types have no Region. CloudWatch is known to list some both ways, at
    one price (a comment in a public price reader, read 2026-12). Nobody here has seen DynamoDB's
    own list."""
    plain = {name.removeprefix("EU-"): price for name, price in price_list.PRICES.items()}
    twins = {f"USE1-{name}": plain[name] for name in plain if name.endswith("ByteHrs")}
    both = twins | plain if is_first else plain | twins
    region.answers["pricing", "GetProducts"] = lambda _: {"PriceList": price_list.products(both)}
    found = read("us-east-1")
    assert found.gb_month == 0.283
    assert (found.read.unit_hour, found.write.unit_hour) == (0.000147, 0.000735)
    assert found.read.million_requests == pytest.approx(0.1415)
    assert found.infrequent_access is not None
    assert found.infrequent_access.gb_month == 0.1132


def test_a_list_without_a_price_is_an_error(region: Region) -> None:
    some = {"EU-ReadCapacityUnit-Hrs": 0.1, "EU-IA-ReadCapacityUnit-Hrs": 0.1}
    region.answers["pricing", "GetProducts"] = lambda _: {"PriceList": price_list.products(some)}
    with pytest.raises(NoPriceError, match="no price of WriteCapacityUnit-Hrs, ReadRequestUnits"):
        read()


def test_without_reserved_terms_or_plans_they_are_unknown(region: Region) -> None:
    plain = {name: price for name, price in price_list.PRICES.items() if "IA" not in name}
    entries = [json.loads(text) for text in price_list.products(plain)]
    for entry in entries:
        entry["terms"].pop("Reserved", None)
    region.answers["pricing", "GetProducts"] = lambda _: {"PriceList": [*map(json.dumps, entries)]}
    no_rates = {"searchResults": [{"usageType": "EU-Other", "rate": "1"}]}
    region.answers["savingsplans", "DescribeSavingsPlansOfferingRates"] = lambda _: no_rates
    found = read()
    assert found.infrequent_access is None
    assert found.read.reserved_hour_1_year == found.read.unit_hour
    assert (found.read.reserved_hour_3_years, found.read.plan_unit_hour) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("usage_type", "name"),
    [
        ("ReadCapacityUnit-Hrs", "ReadCapacityUnit-Hrs"),
        ("IA-ReadCapacityUnit-Hrs", "IA-ReadCapacityUnit-Hrs"),
        ("EUC1-IA-WriteRequestUnits", "IA-WriteRequestUnits"),
        ("EU-TimedStorage-ByteHrs", "TimedStorage-ByteHrs"),
        ("TimedStorage-ByteHrs", "TimedStorage-ByteHrs"),
        ("USE1-TimedStorage-ByteHrs", "TimedStorage-ByteHrs"),
        ("USW2-ReplWriteCapacityUnit-Hrs", "ReplWriteCapacityUnit-Hrs"),
    ],
)
def test_a_usage_type_begins_with_its_region(usage_type: str, name: str) -> None:
    assert live_prices.usage(usage_type) == name
