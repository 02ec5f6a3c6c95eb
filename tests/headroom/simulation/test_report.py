"""The HTML page of a backtest: self-contained, with its table, its summary and its charts."""

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chalicelib.config.policy import make_policy
from headroom.simulation import pricing, report
from headroom.simulation.clock import START
from headroom.simulation.compare import Comparison, Section, compare

CHROMIUM = Path("/usr/bin/chromium")
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
    report.write([Section("orders <&> more", comparison, START)], path)
    return path


@pytest.fixture(scope="module")
def page(file: Path) -> Page:
    page = Page()
    page.feed(file.read_text())
    return page


def test_the_page_loads_nothing_from_elsewhere(file: Path, page: Page) -> None:
    assert page.links == []
    styles = re.findall(r"<style>(.*?)</style>", file.read_text(), re.DOTALL)
    assert len(styles) >= 1
    assert not any("url(" in style or "@import" in style for style in styles)


def test_the_page_has_the_table_with_every_figure(comparison: Comparison, page: Page) -> None:
    head, *body = page.rows
    assert head == list(report.HEADINGS)
    assert [cells[0] for cells in body] == [row.name for row in comparison.rows]
    ours, row = body[0], comparison.rows[0]
    assert ours[1:] == [
        f"{row.cost_month:,.2f}",
        f"{row.over_optimum:.2f}",
        f"{row.effective:.2f}",
        f"{row.throttled_ppm:,.0f}",
        f"{row.throttled_minutes:,}",
        f"{row.decreases:,}",
        f"{row.changes:,}",
    ]


def test_headrooms_own_row_stands_out(file: Path) -> None:
    assert file.read_text().count("<tr class=ours><td>Headroom</td>") == 1


def test_the_title_is_text_and_no_markup(file: Path) -> None:
    text = file.read_text()
    assert "<h1>orders &lt;&amp;&gt; more</h1>" in text
    assert "orders <&> more" not in text


def test_the_summary_has_the_figures_in_a_sentence(comparison: Comparison, page: Page) -> None:
    rows = {row.name: row for row in comparison.rows}
    ours, theirs = rows["Headroom"], rows["Application Auto Scaling 70 %"]
    assert (
        f"0.2 days of reads, 400 units per second at the peak. Headroom: {ours.cost_month:,.2f} "
        "USD a month, "
        f"{ours.throttled_ppm:,.0f} ppm throttled. Application Auto Scaling 70 %: "
        f"{theirs.cost_month:,.2f} USD, "
        f"{theirs.throttled_ppm:,.0f} ppm. On demand: {rows['on demand'].cost_month:,.2f} USD."
    ) in page.text


def test_both_charts_have_their_data_and_the_library_is_in_the_page_once(file: Path) -> None:
    text = file.read_text()
    assert text.count("Plotly.newPlot(") == 2
    assert text.count("plotly.js v") == 1
    for name in ("demand", "Headroom", "plain percentage", "fixed at peak"):
        assert f'"name":"{name}"' in text, name
    assert '"type":"heatmap"' in text
    assert "Mon 02 Nov" in text


@pytest.mark.parametrize(
    ("values", "corners"),
    [
        pytest.param(
            [5.0, 5.0, 5.0, 7.0, 7.0],
            [(0, 5.0), (3, 7.0), (4, 7.0)],
            id="where it changes, and the end",
        ),
        pytest.param([5.0], [(0, 5.0)], id="one minute"),
        pytest.param([1.0, 2.0, 3.0], [(0, 1.0), (1, 2.0), (2, 3.0)], id="always"),
    ],
)
def test_a_step_function_is_drawn_by_its_corners(
    values: list[float], corners: list[tuple[int, float]]
) -> None:
    times = [START.replace(minute=minute) for minute in range(len(values))]
    x, y = report._corners(times, values)
    assert list(zip([at.minute for at in x], y, strict=True)) == corners


@pytest.mark.skipif(not CHROMIUM.exists(), reason="no chromium here")
def test_the_page_opens_in_a_browser_without_a_network(file: Path, tmp_path: Path) -> None:
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={tmp_path}",
    ]
    shown = subprocess.run(
        [CHROMIUM, *flags, "--virtual-time-budget=5000", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert shown.stdout.count('class="plot-container') == 2
    assert shown.stdout.count("heatmaplayer") >= 1
    assert "<td>clairvoyant optimum</td>" in shown.stdout
