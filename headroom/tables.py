"""Tables for the terminal: a column of names, and columns of numbers to its right."""

import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

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


#: Every terminal is so wide.
WIDTH = 80


def number_lines(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of many numbers as lines of 80 columns.

    A name that has no room to the left of its numbers gets a line of its own: none is broken.
    """
    rows = list(rows)
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
