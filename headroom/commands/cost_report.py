"""How `cost` shows what it found: a table of the targets, and sentences."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table

from headroom.commands.console import console, many_numbers, print_line, print_table
from headroom.commands.wording import dollars, last_days, listed
from headroom.simulation import commitments, costs, own_costs, pricing
from headroom.simulation.commitments import Reservation
from headroom.simulation.summary import Summary, cheaper_classes
from headroom.simulation.table_classes import ClassCosts
from headroom.tables import number_table

HEADINGS = (
    "target",
    "units",
    "used",
    "now",
    "Headroom",
    "used",
    "ppm",
    "itself",
    "on demand",
    "reserved",
    "advice",
)


def print_report(
    all_costs: Sequence[costs.TargetCosts],
    prices: pricing.Prices,
    title: str,
    places: Sequence[str] = (),
) -> None:
    """Print the costs as a table and in sentences. places: the place of each, if there are some."""
    if not all_costs:
        console.print("There is no table to cost.")
        return
    print_table(_table(all_costs, title, places))
    total = costs.totals(all_costs)
    own = [total[f"own_{part}"] for part in ("alarms", "metric_reads", "lambda", "logs")]
    for sentence in (
        f"As advised, all together: {total['advised']:,.2f} USD a month, "
        f"Headroom's own cost included; now {total['now']:,.2f}.",
        f"Headroom itself, on all of them: {sum(own):,.2f} USD a month "
        f"({own[0]:,.2f} alarms, {own[1]:,.2f} metric reads, {own[2]:,.2f} Lambda, "
        f"{own[3]:,.2f} logs).",
        costs.break_even(prices),
        f"Reserved: fixed at the peak of these days, blocks of {commitments.BLOCK_UNITS} units "
        "for a year where they pay.",
        f"The advice counts a throttled unit as {pricing.THROTTLED_UNIT_PRICE} units. "
        f"Prices: {prices.region}, {prices.table_class} class, read {prices.read_on} "
        f"({prices.source}).",
        own_costs.ASSUMPTIONS,
    ):
        print_line(sentence)


def print_summary(summary: Summary, days: int, place: str = "") -> None:
    """Print what concerns all tables of a Region. place: its name, where there are several."""
    if place:
        print_line(f"{place}:")
    if summary.reservations:
        console.print(_reservations(summary.reservations))
    for sentence in sentences(summary, days):
        print_line(sentence)


def sentences(summary: Summary, days: int) -> Iterator[str]:
    """Yield the findings in words."""
    plan = summary.plan
    if plan and plan.saves >= 0.01:
        yield (
            f"A Database Savings Plan of {plan.commitment:,.3f} USD an hour, for a year, would "
            f"save {dollars(plan.saves)} USD a month. A committed dollar pays if it is used in "
            f"{plan.break_even_percent:.0f} % of the hours. It does not count for reserved units."
        )
    if summary.free:
        yield (
            f"Free tier, not taken off above: {summary.free:,.2f} USD a month for "
            f"{commitments.FREE_UNITS} read and {commitments.FREE_UNITS} write units of the class "
            "Standard. It counts once for all accounts of a payer; this assumes that no other "
            "account or Region uses it."
        )
    yield from map(_class, cheaper_classes(summary))
    if summary.idle:
        month = sum(one.month for one in summary.idle)
        names = listed([one.table for one in summary.idle])
        yield (
            f"Idle: {names}: consumed nothing in {last_days(days)}, for {dollars(month)} USD a "
            "month now."
        )


def _class(one: ClassCosts) -> str:
    return (
        f"Table class: {one.table} ({one.size_gb:,.1f} GB) is cheaper in {one.other}: saves "
        f"{dollars(one.saves)} USD a month, with storage and the units that it has now."
    )


def _reservations(found: Sequence[Reservation]) -> Table:
    title = "What to reserve in this Region, given how Headroom runs the tables"
    headings = ("", "term", "units", "last block\nin use", "pays from", "saves", "upfront")
    rows = (
        (
            f"{one.dimension}s",
            f"{one.years} {'year' if one.years == 1 else 'years'}",
            f"{one.units:,}",
            f"{one.used_percent:.0f} %",
            f"{one.break_even_percent:.0f} %",
            dollars(one.saves),
            dollars(one.upfront),
        )
        for one in found
    )
    return number_table(title, headings, rows, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _table(all_costs: Sequence[costs.TargetCosts], title: str, places: Sequence[str] = ()) -> str:
    rows = [_cells(one) for one in all_costs]
    if places:
        rows = [
            (f"{place} {name}", *cells) for place, (name, *cells) in zip(places, rows, strict=True)
        ]
    total = costs.totals(all_costs)
    own = sum(total[f"own_{part}"] for part in ("alarms", "metric_reads", "lambda", "logs"))
    sums = [f"{total[name]:,.2f}" for name in ("now", "headroom", "on_demand", "reserved")]
    last = ("all", "", "", sums[0], sums[1], "", "", f"{own:,.2f}", sums[2], sums[3], "")
    return many_numbers(title, HEADINGS, [*rows, last])


def _cells(target_costs: costs.TargetCosts) -> tuple[str, ...]:
    used = target_costs.utilisation_percent
    return (
        str(target_costs.target),
        "on demand" if target_costs.units_now is None else f"{target_costs.units_now:,}",
        "–" if used is None else f"{used:,.0f} %",
        f"{target_costs.now:,.2f}",
        f"{target_costs.headroom:,.2f}",
        f"{target_costs.headroom_utilisation_percent:.0f} %",
        f"{target_costs.headroom_ppm:,.0f}",
        f"{target_costs.own.total:,.2f}",
        f"{target_costs.on_demand:,.2f}",
        f"{target_costs.reserved:,.2f}",
        str(target_costs.advice),
    )
