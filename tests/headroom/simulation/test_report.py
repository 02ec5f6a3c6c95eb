"""The HTML page of a backtest: self-contained, with its table, its summary and its charts."""

import json
import re
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chalicelib.config.policy import make_policy
from chalicelib.core.explain import WHY
from chalicelib.model import Reason
from headroom.project import version
from headroom.simulation import pricing, report
from headroom.simulation.clock import START
from headroom.simulation.compare import CHEAPEST, Comparison, Row, Section, compare
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.modes import Switch
from headroom.simulation.outcome import Outcome

DEMAND = [100.0] * 90 + [400.0] * 90 + [60.0] * 120


class Page(HTMLParser):
    """Collects the addresses in a page, and its table."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self._tag in ("td", "th"):
            self.rows[-1][-1] += data
        if self._tag not in ("script", "style"):
            self.text += data


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(DEMAND, make_policy(), pricing.load())


@pytest.fixture(scope="module")
def file(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "page.html"
    sections = [
        Section("orders <&> more", comparison, make_policy(min_units=7), START),
        Section("a trace", comparison, make_policy()),
    ]
    report.write(sections, path, pricing.load(), Conditions(metric_delay_minutes=3))
    return path


@pytest.fixture(scope="module")
def page(file: Path) -> Page:
    page = Page()
    page.feed(file.read_text())
    return page


@pytest.fixture(scope="module")
def data(file: Path) -> list[dict[str, Any]]:
    """Return what the charts draw, of each section."""
    return drawn(file)


def drawn(file: Path) -> list[dict[str, Any]]:
    found = re.findall(r'<script type="application/json">(.*?)</script>', file.read_text())
    return [json.loads(text) for text in found]


@pytest.mark.slow(traced=True)
def test_the_page_loads_nothing_from_elsewhere(file: Path, page: Page) -> None:
    assert page.links == []
    styles = re.findall(r"<style>(.*?)</style>", file.read_text(), re.DOTALL)
    assert len(styles) >= 1
    assert not any("url(" in style or "@import" in style for style in styles)


def test_the_page_has_the_table_with_every_figure(comparison: Comparison, page: Page) -> None:
    head, *body = page.rows[: 1 + len(comparison.rows)]
    assert head == list(report.HEADINGS)
    assert [cells[0] for cells in body] == [row.name for row in comparison.rows]
    ours, row = body[0], comparison.rows[0]
    assert ours[1:] == [
        f"{row.cost_month:,.2f}",
        f"{row.over_optimum:.2f}",
        f"{row.effective:.2f}",
        f"{row.over_floor:.2f}",
        f"{row.throttled_ppm:,.0f}",
        f"{row.throttled_minutes:,}",
        f"{row.decreases:,}",
        f"{row.changes:,}",
    ]


def test_headrooms_own_row_stands_out(file: Path) -> None:
    assert file.read_text().count('<tr class=ours><td data-heading="">Headroom</td>') == 2


def test_the_title_is_text_and_no_markup(file: Path) -> None:
    text = file.read_text()
    assert "<h1>orders &lt;&amp;&gt; more</h1>" in text
    assert "orders <&> more" not in text


def test_the_first_sentence_has_the_saving(comparison: Comparison) -> None:
    rows = [
        Row("Headroom", 40.0, 1.2, 1.2, 1.4, 0.0, 11, 5, 9),
        Row("Application Auto Scaling 70 %", 50.0, 1.5, 1.9, 2.0, 9.0, 1_515, 4, 8),
        Row("on demand", 32.0, 1.0, 1.0, 1.1, 0.0, 0, 0, 0),
    ]
    assert report.saving(replace(comparison, rows=rows)) == (
        "Headroom would cost 40.00 USD a month, 10.00 USD (20 %) less than Application Auto "
        "Scaling 70 %, with 11 throttled minutes instead of 1,515, and 8.00 USD (25 %) more than "
        "on demand."
    )


def test_the_first_sentence_of_a_receipt_where_nothing_differs(comparison: Comparison) -> None:
    names = ("Headroom", "Application Auto Scaling 70 %", "on demand")
    rows = [Row(name, 40.0, 1.2, 1.2, 1.4, 0.0, 0, 5, 9) for name in names]
    assert report.saving(replace(comparison, rows=rows), is_receipt=True) == (
        "Headroom held capacity for 40.00 USD a month, the same as Application Auto Scaling 70 %, "
        "with no throttled minute in either, and the same as on demand."
    )


def test_the_page_says_with_what_it_was_made(page: Page) -> None:
    prices = pricing.load()
    assert "Settings: strategy = adaptive, min_units = 7." in page.text
    assert "Settings: strategy = adaptive, all others as by default." in page.text
    assert f"Headroom {version()}. Prices of us-east-1" in page.text
    assert f"read on {prices.read_on}" in page.text
    assert "metrics 3 minutes late" in page.text


def test_the_chart_has_headroom_on_top_and_the_reason_of_each_change(
    comparison: Comparison, data: list[dict[str, Any]]
) -> None:
    ours, outcome = data[0]["series"][-1], comparison.outcomes["Headroom"]
    assert [p["name"] for p in data[0]["series"] if p["ours"]] == [ours["name"]] == ["Headroom"]
    assert [p["name"] for p in data[0]["series"] if p["shown"]] == [
        "Application Auto Scaling 70 %",
        "Headroom",
    ]
    steps = dict(zip(ours["at"], ours["units"], strict=True))
    drawn = [0]
    for minute in range(len(DEMAND)):
        drawn.append(steps.get(minute, drawn[-1]))
    assert drawn[1:] == list(outcome.units)
    assert {m for m, _ in ours["throttled"]} == {
        m for m, rate in enumerate(outcome.throttled) if rate
    }
    assert len(data[0]["changes"]) == outcome.changes > 0
    for _, before, after, reason in data[0]["changes"]:
        assert before != after
        assert data[0]["reasons"][reason] == WHY[Reason(reason)]


def test_no_two_lines_of_the_chart_look_alike(comparison: Comparison, tmp_path: Path) -> None:
    others = {f"policy {n}": comparison.outcomes["Headroom"] for n in range(12)}
    many = replace(comparison, outcomes={**others, **comparison.outcomes})
    path = tmp_path / "many.html"
    report.write([Section("", many, make_policy())], path, pricing.load(), Conditions())
    lines = [(one["colour"], *one["dash"]) for one in drawn(path)[0]["series"]]
    assert len(set(lines)) == len(lines) > 12


def test_a_trace_has_no_dates_and_a_history_has_its_own(
    data: list[dict[str, Any]], page: Page
) -> None:
    assert [section["start"] for section in data] == [START.isoformat(), None]
    days = [row[0] for row in page.rows]
    assert (days.count("Mon 02 Nov"), days.count("day 1")) == (1, 1)


def test_the_page_stays_small(file: Path) -> None:
    assert file.stat().st_size < 100_000
    assert "viewport" in file.read_text()


SWITCHES = [
    Switch(60, True, Reason.CHEAPER_ON_DEMAND, {"on_demand_usd_month": 5.0}),
    Switch(1505, False, Reason.CHEAPER_PROVISIONED),
]


@pytest.mark.parametrize(
    ("start", "times"),
    [(START, ("Mon 02 Nov 01:00", "Tue 03 Nov 01:05")), (None, ("day 1 01:00", "day 2 01:05"))],
)
def test_each_switch_of_the_mode_is_shown(
    comparison: Comparison, start: datetime | None, times: tuple[str, str]
) -> None:
    outcomes = {**comparison.outcomes, CHEAPEST: Outcome([1], [0.0], switches=SWITCHES)}
    section = Section("orders", replace(comparison, outcomes=outcomes), make_policy(), start)
    head, *lines = report.switches(section)
    assert head == "Headroom, cheapest mode: 2 switches:"
    assert [line.strip() for line in lines] == [
        f"{times[0]} to on demand: {WHY[Reason.CHEAPER_ON_DEMAND]} "
        "(CheaperOnDemand; on demand usd month 5)",
        f"{times[1]} to provisioned: {WHY[Reason.CHEAPER_PROVISIONED]} (CheaperProvisioned; )",
    ]
    assert section.comparison.as_data()["switches"] == [
        {
            "minute": 60,
            "to": "on demand",
            "reason": "CheaperOnDemand",
            "on_demand_usd_month": 5.0,
        },
        {"minute": 1505, "to": "provisioned", "reason": "CheaperProvisioned"},
    ]
    assert list(report.switches(Section("a", comparison, make_policy()))) == []
