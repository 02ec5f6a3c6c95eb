"""Tables for the terminal: a column of names, and columns of numbers to its right."""

from collections.abc import Iterable
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
