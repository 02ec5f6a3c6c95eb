"""What chart.js draws, as data, and the two files that a page with a chart needs."""

from collections.abc import Iterator, Sequence
from pathlib import Path

FOLDER = Path(__file__).parent
#: Rates below this keep a digit after the point. More digits no picture shows.
EXACT_BELOW = 100


def script() -> str:
    """Return the JavaScript that draws a chart."""
    return (FOLDER / "chart.js").read_text(encoding="utf-8")


def style() -> str:
    """Return the colours for light and dark, and how a page with charts looks."""
    return (FOLDER / "chart.css").read_text(encoding="utf-8")


def steps(
    name: str,
    colour: str,
    values: Sequence[float | None],
    throttled: Sequence[float] = (),
    *,
    is_shown: bool = True,
    is_ours: bool = False,
    dash: Sequence[float] = (),
) -> dict[str, object]:
    """Return a step function: a value a minute, and what was throttled in each minute.

    A minute of None has the value before it; before the first value nothing is drawn.
    colour: the name of a colour in chart.css. is_ours: throttling and changes are marked.
    dash: the pixels of a dash and of the gap after it; without them the line is whole.
    """
    at = list(corners(values))
    return {
        "name": name,
        "colour": colour,
        "ours": is_ours,
        "shown": is_shown,
        "dash": dash,
        "at": at,
        "units": [values[minute] for minute in at],
        "throttled": [[minute, rounded(rate)] for minute, rate in enumerate(throttled) if rate],
    }


def corners(values: Sequence[float | None]) -> Iterator[int]:
    """Yield the minutes at which a step function has a new value."""
    before: float | None = None
    for minute, value in enumerate(values):
        if value is not None and value != before:
            yield minute
            before = value


def rounded(rate: float) -> float:
    """Return a rate with as many digits as a picture shows: the data stays small."""
    return round(rate) if rate >= EXACT_BELOW else round(rate, 1)
