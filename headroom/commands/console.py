"""What the commands share: the consoles, and how to print a report."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from chalicelib.aws.client import AwsError
from chalicelib.config import loader
from headroom.deploy.account import describe_error
from headroom.operator_error import OperatorError
from headroom.tables import fit, number_lines

#: Every command, once its module is imported.
app = typer.Typer(rich_markup_mode=None)
PIPE_WIDTH = 120


class SafeConsole(Console):
    """Shows what a terminal would obey instead of showing it.

    A message that somebody wrote may have control characters in the name of its alarm.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text to print, with its control characters written out: `\\x1b`."""
        return super().render_str("".join(map(_shown, text)), **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, a table so that it fits."""
        fitted = (fit(one, self) if isinstance(one, Table) else one for one in objects)
        super().print(*fitted, **options)


def _shown(character: str) -> str:
    is_shown = character.isprintable() or character in "\n\t"
    return character if is_shown else character.encode("unicode_escape").decode()


#: A pipe gets each line whole, a terminal breaks it between words.
WHOLE_LINES = not sys.stdout.isatty()
# no emoji codes: a table or a file may be called so, as in `l100.csv:100:`
console = SafeConsole(width=PIPE_WIDTH if WHOLE_LINES else None, emoji=False)
errors = SafeConsole(stderr=True, soft_wrap=not sys.stderr.isatty(), emoji=False)

#: The errors that the command line prints in one sentence, without a traceback.
EXPECTED_ERRORS = (OperatorError, loader.ConfigError, OSError, UnicodeDecodeError, *AwsError)


def print_failure(subject: str, error: Exception) -> None:
    """Print to standard error what failed, and why."""
    print_failure_line(f"{subject}: {describe_error(error)}")


def print_failure_line(text: str) -> None:
    errors.print(f"[bold red]{escape(text)}[/]", highlight=False)


def print_error(error: Exception) -> None:
    """Print to standard error what ends a command."""
    errors.print(f"[bold red]headroom:[/] {escape(describe_error(error))}", highlight=False)


def print_line(text: str) -> None:
    """Print one line without markup or colours. A terminal gets it broken between words."""
    console.print(text, markup=False, highlight=False, soft_wrap=WHOLE_LINES)


def many_numbers(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of many numbers as lines that fit the console."""
    return number_lines(title, headings, rows, console.width)


def print_table(lines: str) -> None:
    """Print a table of lines as they are."""
    console.print(lines, markup=False, highlight=False, soft_wrap=True)


def print_json(data: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def print_csv(rows: Iterable[Mapping[str, object]]) -> None:
    """Print rows as CSV. The keys of the first row are the header."""
    rows = list(rows)
    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows(rows)


def progress_bar() -> Progress:
    """Return a progress bar on standard error."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=errors, transient=True)
