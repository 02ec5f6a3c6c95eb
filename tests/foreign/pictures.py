"""Makes the pictures of README and docs, as `make pictures` runs it: the console in Chromium, on a
day that is played first. Every picture is the same each time, up to the fonts of the machine."""

import sys
from pathlib import Path

from headroom.commands.web_console import embedded
from headroom.project import ROOT
from headroom.simulation.clock import HOUR
from tests.support.browser import Browser, chromium
from tests.support.console import served

FOLDER = ROOT / "docs" / "pictures"
#: No picture is larger, in bytes: each is loaded with its page.
MOST_BYTES = 150_000
#: The time of the pictures: after the campaign of the morning and the peak of the afternoon.
HOURS = 18
READY = "document.body?.dataset.ready && document.querySelector('[data-drawn]')"
POINT = "page.chart.cursor = page.chart.x(9 * 60 + 7); page.chart.draw()"


def make(folder: Path, browser: Browser, url: str) -> None:
    """Write the pictures: on a laptop in light, on a phone in dark."""
    for name, width, height, dark in (
        ("console-light", 1280, 800, False),
        ("console-dark", 1280, 800, True),
        ("console-phone", 390, 844, True),
    ):
        browser.open(url, width, height, dark=dark)
        browser.wait(READY)
        if width > 1_000:
            browser.run(POINT)
        else:
            browser.run("document.getElementById('target').scrollIntoView()")
        browser.picture(folder / f"{name}.webp", height)


def main() -> None:
    """Make the pictures in docs/pictures, and fail for one that is too large."""
    with embedded() as site, served(site) as console, chromium() as browser:
        site.region.run(HOURS * HOUR)
        FOLDER.mkdir(exist_ok=True)
        make(FOLDER, browser, console.server.url)
    for file in sorted(FOLDER.glob("*.webp")):
        size = file.stat().st_size
        sys.stdout.write(f"{file.relative_to(ROOT)}: {size:,} bytes\n")
        if size > MOST_BYTES:
            sys.exit(f"{file.name} is larger than {MOST_BYTES:,} bytes")


if __name__ == "__main__":
    main()
