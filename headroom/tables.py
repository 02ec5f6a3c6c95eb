"""Tables for the terminal: a column of names, and columns of numbers to its right."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Column, Table


def number_table(
    title: str,
    headings: Iterable[str],
    rows: Iterable[Iterable[str]] = (),
    **options: Any,
) -> Table:
    """Return a table. Its first column is aligned to the left, all others to the right."""
    first, *others = headings
    columns = [Column(first), *(Column(heading, justify="right") for heading in others)]
    table = Table(*columns, title=title, title_justify="left", **options)
    for row in rows:
        table.add_row(*row)
    return table


def has_room(table: Table, console: Console) -> bool:
    """Tell whether a console can show a table without breaking a word."""
    options = console.options.update(width=UNLIMITED)
    return Measurement.get(console, options, table).minimum <= console.width


def fit(table: Table, console: Console) -> RenderableType:
    """Return a table that is too wide for a console as one that breaks its sentences between words.

    If there is no room for the words, the names of its first column are broken inside; and if there
    is no room for names, each row becomes some lines.
    """
    options = console.options.update(width=UNLIMITED)
    whole = Measurement.get(console, options, table)
    if whole.maximum <= console.width or not table.rows:
        return table
    sizes = [
        Measurement.get(console, options, Group(column.header, *column.cells))
        for column in table.columns
    ]
    least, most = [size.minimum for size in sizes], [size.maximum for size in sizes]
    room = console.width - (whole.minimum - sum(least))  # without frames and padding
    for_names = min(room - sum(least[1:]), max(LEAST_NAME, room // 2))
    if for_names < min(least[0], LEAST_NAME):
        return "\n".join(_records(table))
    if for_names < least[0]:
        least[0] = most[0] = for_names
    for column, width in zip(table.columns, _widths(least, most, room), strict=True):
        column.width = width
    return table


def _widths(least: Sequence[int], most: Sequence[int], room: int) -> list[int]:
    """Return the widths of columns: what is left of the room goes to the narrowest wishes first."""
    widths, spare = list(least), room - sum(least)
    wishes = sorted((high - low, n) for n, (low, high) in enumerate(zip(least, most, strict=True)))
    for place, (wish, number) in enumerate(wishes):
        given = min(wish, spare // (len(wishes) - place))
        widths[number] += given
        spare -= given
    return widths


def _records(table: Table) -> Iterator[str]:
    """Yield each row as lines: its name, and a line for each cell that is not empty."""
    headings = [" ".join(str(column.header).split()) for column in table.columns]
    if table.title:
        yield str(table.title)
    for name, *cells in zip(*(column.cells for column in table.columns), strict=True):
        if str(name).strip():
            yield str(name)
        for heading, cell in zip(headings[1:], cells, strict=True):
            if cell:
                yield f"  {heading}: {cell}"


#: A name is not broken into parts of less than so many characters.
LEAST_NAME = 12
#: Wider than any table, in columns of a terminal.
UNLIMITED = 10_000
#: Every terminal is so wide.
WIDTH = 80


def number_lines(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], width: int = WIDTH
) -> str:
    """Return a table of many numbers as lines of 80 columns.

    A name that has no room to the left of its numbers gets a line of its own: none is broken.
    width: of the terminal. In one that is narrower, each row becomes some lines.
    """
    rows = list(rows)
    if width < WIDTH:
        return "\n".join(_records(number_table(title, headings, rows)))
    words = [heading.replace(" %", "\N{NO-BREAK SPACE}%") for heading in headings[1:]]
    columns = list(zip(*(row[1:] for row in rows), strict=True)) or [()] * len(words)
    widths = [
        max(map(len, (*heading.split(" "), *cells)))
        for heading, cells in zip(words, columns, strict=True)
    ]
    gap = 2 if sum(widths) + 2 * len(widths) <= WIDTH else 1
    room = max(0, WIDTH - sum(widths) - gap * len(widths))

    def lines(name: str, cells: Iterable[str]) -> list[str]:
        placed = (cell.rjust(width + gap) for cell, width in zip(cells, widths, strict=True))
        numbers = "".join(placed)
        return [name.ljust(room) + numbers] if len(name) <= room else [name, " " * room + numbers]

    wrapped = [textwrap.wrap(word, width) for word, width in zip(words, widths, strict=True)]
    heads = list(zip_longest(*wrapped, fillvalue=""))
    above = [headings[0]] if len(headings[0]) > room else []
    names = [""] * (len(heads) - 1) + ([""] if above else [headings[0]])
    head = [line for name, cells in zip(names, heads, strict=True) for line in lines(name, cells)]
    body = [line for name, *cells in rows for line in lines(name, cells)]
    text = "\n".join([title, *above, *head, "─" * WIDTH, *body])
    return text.replace("\N{NO-BREAK SPACE}", " ") + "\n"
