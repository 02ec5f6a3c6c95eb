"""What a person sees, in Chromium: the page of a backtest, on a phone, a laptop and a large screen,
light and dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.config.policy import make_policy
from headroom.simulation import pricing, report
from headroom.simulation.clock import START
from headroom.simulation.compare import Section, compare
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.browser import Browser, chromium, needs_browser

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


def fits(browser: Browser) -> bool:
    """Tell whether the page is no wider than the screen."""
    return bool(browser.run("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_the_report_is_whole_on_every_screen(
    browser: Browser, file: Path, width: int, dark: bool
) -> None:
    browser.open(file.as_uri(), width, dark=dark)
    browser.wait("document.querySelectorAll('[data-drawn]').length === 2")
    assert browser.run(COLOURS) > 20
    assert fits(browser)
    assert (browser.run(BACKGROUND) == "rgb(255, 255, 255)") is not dark
    assert (browser.errors, browser.requests) == ([], [file.as_uri()])


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
