"""What a person sees, in Chromium: the page of a backtest and the console, on a phone, a laptop and
a large screen, light and dark."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.config.policy import make_policy
from headroom.commands.web_console import embedded
from headroom.console.embedded import EmbeddedSite
from headroom.console.site import Site
from headroom.simulation import pricing, report
from headroom.simulation.clock import START
from headroom.simulation.compare import Section, compare
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.browser import Browser, chromium, needs_browser
from tests.support.console import Client, served

pytestmark = [pytest.mark.foreign, pytest.mark.slow, needs_browser]

DEMAND = [100.0] * 90 + [400.0] * 90 + [60.0] * 120
WIDTHS = (390, 1280, 1920)
SCREENS = [(width, dark) for width in WIDTHS for dark in (False, True)]
#: How many colours the chart has: an empty one has one.
COLOURS = """(() => {
  const canvas = document.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
})()"""
#: The parts of the page that are wider than their place.
WIDER = """[...document.querySelectorAll("section, .long, .wide")]
  .filter((part) => part.scrollWidth > part.clientWidth).map((part) => part.id || part.className)"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backtest of a table with dates, and of a trace without."""
    path = tmp_path_factory.mktemp("report") / "page.html"
    policy, prices = make_policy(), pricing.load()
    comparison = compare(DEMAND, policy, prices)
    sections = [
        Section("orders:read", comparison, policy, START),
        Section("a trace", comparison, policy),
    ]
    report.write(sections, path, prices, Conditions())
    return path


@pytest.fixture(scope="module")
def site() -> Iterator[EmbeddedSite]:
    """The console of the embedded region, an hour after it began."""
    with embedded() as site:
        site.region.run(65)
        yield site


@pytest.fixture(scope="module")
def console(site: EmbeddedSite) -> Iterator[Client]:
    with served(site) as client:
        yield client


@pytest.fixture
def many(site: EmbeddedSite) -> Iterator[Client]:
    """The console of an account with twelve tables, one of them on demand. It only reads."""
    names = [f"t-{number}" for number in range(12)]
    for name in names:
        site.region.create_table(name, 5, 5)
    on_demand = {"TableName": "t-0", "BillingMode": "PAY_PER_REQUEST"}
    site.region.client("dynamodb").update_table(**on_demand)
    tables = replace(site.account.tables, glob="t-*")
    with served(Site(replace(site.account, tables=tables, stage=None), writes=False)) as client:
        yield client
    for name in names:
        site.region.client("dynamodb").delete_table(TableName=name)


def check(browser: Browser, width: int, dark: bool) -> None:
    """Check what holds for every page: no wider than the screen, in the right colours, a chart with
    something in it, and no error."""
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert (browser.run(BACKGROUND) == "rgb(255, 255, 255)") is not dark
    assert browser.run(COLOURS) > 20
    assert browser.run(WIDER) == []
    assert browser.errors == []


@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_the_report_is_whole_on_every_screen(
    browser: Browser, file: Path, width: int, dark: bool
) -> None:
    browser.open(file.as_uri(), width, dark=dark)
    browser.wait("document.querySelectorAll('[data-drawn]').length === 2")
    check(browser, width, dark)
    assert browser.requests == [file.as_uri()]


def test_the_chart_of_a_report_obeys_the_keys(browser: Browser, file: Path) -> None:
    browser.open(file.as_uri())
    browser.wait("document.querySelector('[data-drawn]')")
    browser.run("document.querySelector('canvas').focus()")
    whole = "document.querySelector('.ranges [data-minutes=\"0\"]').ariaPressed === 'true'"
    assert browser.run(whole)
    browser.press("+")
    assert not browser.run(whole)
    browser.press("Home")
    assert browser.run(whole)
    browser.press("n")
    why = browser.run("document.querySelector('.tip .why').textContent")
    assert why.startswith("00:")
    assert "units: " in why
    browser.press("n")
    assert browser.run("document.querySelector('.tip .why').textContent") != why
    browser.press("b")
    assert browser.run("document.querySelector('.tip .why').textContent") == why
    assert browser.errors == []


READY = "document.body?.dataset.ready && document.querySelector('[data-drawn]')"
TITLE = "document.getElementById('target-title').textContent"
EVENTS = "document.querySelectorAll('#events tr').length"


def open_console(
    browser: Browser, console: Client, width: int = 1280, *, dark: bool = False
) -> None:
    browser.open(console.server.url, width, dark=dark)
    browser.wait(READY)


@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_the_console_is_whole_on_every_screen(
    browser: Browser, console: Client, width: int, dark: bool
) -> None:
    open_console(browser, console, width, dark=dark)
    check(browser, width, dark)
    assert browser.run("document.querySelectorAll('#tables tbody tr').length") == 10
    assert "Would lower reports reads" in browser.run("document.getElementById('plan').innerText")
    assert {url[: len(console.server.url)] for url in browser.requests} == {console.server.url}


def test_a_target_is_chosen_and_its_changes_are_read_by_keys(
    browser: Browser, console: Client
) -> None:
    open_console(browser, console)
    assert browser.run(TITLE) == "sessions:read"
    while "target" not in browser.run("document.activeElement.closest('td')?.className ?? ''"):
        browser.press("Tab")
    browser.press("ArrowDown")
    browser.wait(f"{TITLE} === 'archive:write'")
    browser.press("ArrowUp")
    browser.wait(f"{TITLE} === 'archive:read'")
    assert browser.run("document.querySelector('[aria-current]').dataset.name") == "archive:read"
    browser.run("document.querySelector('canvas').focus()")
    browser.press("n")
    why = browser.run("document.querySelector('.tip .why').textContent")
    assert why.startswith("00:50 200 → 3 units, sweep: the coming hour needs less")
    assert browser.errors == []


def test_two_fingers_zoom_the_chart_and_one_moves_it(browser: Browser, console: Client) -> None:
    open_console(browser, console, 390)
    view = "[page.chart.view.from, page.chart.view.to]"
    left, top = browser.run(
        "document.querySelector('canvas').scrollIntoView(), "
        "[document.querySelector('canvas').getBoundingClientRect()].flatMap(b => [b.left, b.top])"
    )
    y = top + 120
    browser.touch("Start", (left + 150, y))
    browser.touch("Start", (left + 150, y), (left + 210, y + 5))
    for moved in range(8, 64, 8):
        browser.touch("Move", (left + 150 - moved, y), (left + 210 + moved, y + 5))
    browser.touch("End")
    start, end = browser.run(view)
    assert 0 < start < end < 1_440
    browser.touch("Start", (left + 200, y))
    for moved in range(10, 80, 10):
        browser.touch("Move", (left + 200 - moved, y))
    browser.touch("End")
    later, size = browser.run("[page.chart.view.from, page.chart.size]")
    assert later > start
    assert size == pytest.approx(end - start)
    assert browser.errors == []


def test_a_load_is_raised_and_the_capacity_follows(browser: Browser, console: Client) -> None:
    open_console(browser, console)
    assert browser.run(EVENTS) == 1
    browser.run("document.querySelector('[data-factor=\"10\"]').focus()")
    browser.press("Enter")
    browser.wait(f"{EVENTS} > 1")
    browser.press("p")
    browser.wait("document.getElementById('play').textContent.includes('Play')")
    assert "▲" in browser.run("document.getElementById('events').innerText")
    assert browser.errors == []


def test_a_message_is_sent_and_its_decision_shown(browser: Browser, console: Client) -> None:
    open_console(browser, console)
    browser.run("document.getElementById('sample').click()")
    browser.wait("document.getElementById('text').value.includes('headroom-sessions:read')")
    browser.run("document.querySelector('#message [type=submit]').focus()")
    browser.press("Enter")
    browser.wait("document.querySelectorAll('#answer li').length")
    assert "sessions:read" in browser.run("document.getElementById('answer').innerText")
    assert browser.errors == []


def test_the_colours_follow_the_system_until_others_are_chosen(
    browser: Browser, console: Client
) -> None:
    open_console(browser, console, dark=True)
    light, dark = "rgb(255, 255, 255)", browser.run(BACKGROUND)
    for choice, expected in (("light", light), ("dark", dark), ("light", light), ("", dark)):
        chosen = f"Object.assign(document.getElementById('colours'), {{value: '{choice}'}})"
        browser.run(f"{chosen}.dispatchEvent(new Event('change'))")
        assert browser.run(BACKGROUND) == expected
    assert dark != light
    assert browser.errors == []


def test_many_targets_can_be_filtered_by_keys(browser: Browser, many: Client) -> None:
    open_console(browser, many)
    rows = "document.querySelectorAll('#tables tbody tr').length"
    assert browser.run(rows) == 22
    assert browser.run("document.getElementById('skipped').textContent").startswith("1 passed over")
    assert browser.run("document.getElementById('dry').hidden")
    browser.press("/")
    for letter in "t-11":
        browser.press(letter)
    assert browser.run(rows) == 2
    assert browser.run("document.getElementById('filter').value") == "t-11"
    browser.run("document.querySelector('#tables td button').click()")
    browser.wait(f"{TITLE} === 't-11:read'")
    assert "start with --stage NAME" in browser.run("document.getElementById('events').innerText")
    assert browser.run("document.getElementById('apply').hidden")
    hours = "Object.assign(document.getElementById('hours'), {value: '72'})"
    browser.run(f"{hours}.dispatchEvent(new Event('change'))")
    browser.wait("page.chart.end === 72 * 60")
    check(browser, 1280, dark=False)


def test_what_fails_is_said_on_the_page(browser: Browser, console: Client) -> None:
    open_console(browser, console)
    browser.run("document.querySelector('#message [type=submit]').click()")
    browser.wait("!document.getElementById('error').hidden")
    assert browser.run("document.getElementById('error').textContent") == "there is no message"


def test_an_error_stays_while_other_work_ends_well(browser: Browser, console: Client) -> None:
    """The day plays while somebody sends a wrong message."""
    open_console(browser, console)
    browser.run("void attempt(() => new Promise((done) => { page.end = done; }))")
    browser.run("document.querySelector('#message [type=submit]').click()")
    browser.wait("!document.getElementById('error').hidden")
    assert not browser.run("page.end(), document.getElementById('error').hidden")
    browser.wait("page.work === 0")
    assert not browser.run("document.getElementById('error').hidden")


def test_a_page_of_another_site_cannot_use_the_console(
    browser: Browser, console: Client, tmp_path: Path
) -> None:
    page = tmp_path / "evil.html"
    page.write_text("<p>another site</p>")
    browser.open(page.as_uri())
    url = f"{console.server.url}api/play"
    ask = "fetch({url!r}, {{method: 'POST', mode: 'no-cors', body: '{{\"minutes\": 5}}'}})"
    before = console.get("api/overview").data["minute"]
    browser.run(ask.format(url=url) + ".then(() => 0, () => 0)")
    assert browser.run(f"fetch({console.server.url!r}).then(() => 'read', () => 'refused')") == (
        "refused"
    )
    assert console.get("api/overview").data["minute"] == before
