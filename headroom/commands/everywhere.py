"""`--regions`, `--profiles`, `--role-arn` and `--external-id`: one command for several accounts and
Regions, with one table."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any, TypeVar

import typer
from rich import box
from rich.table import Table

from headroom.commands.console import console, print_failure_line
from headroom.commands.options import in_account
from headroom.deploy.places import Answer, places
from headroom.tables import has_room

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

#: How long all places together may take, in seconds: for a command that reads little, and for one
#: that reads days of metrics.
SECONDS, LONG_SECONDS = 90, 900
OPTIONS: dict[str, Any] = {
    "regions": Annotated[
        str, typer.Option("--regions", metavar="A,B", help="Several Regions, in one table.")
    ],
    "profiles": Annotated[
        str, typer.Option("--profiles", metavar="A,B", help="Several profiles, in one table.")
    ],
    "role_arn": Annotated[
        list[str] | None,
        typer.Option("--role-arn", metavar="ARN", help="A role to assume; may be repeated."),
    ],
    "external_id": Annotated[
        str, typer.Option("--external-id", metavar="ID", help="The external id of these roles.")
    ],
}
DEFAULTS: dict[str, Any] = dict.fromkeys(OPTIONS, "") | {"role_arn": None}


def everywhere(many: Callable[..., Any]) -> Callable[[F], F]:
    """Give a command the options of `in_account`, and those for several places.

    many: what runs instead of the command where several places are named. It gets the places, and
    then the command's own arguments.
    """

    def decorate(command: F) -> F:
        single = in_account(command)
        signature = inspect.signature(single)
        added = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=DEFAULTS[name], annotation=option
            )
            for name, option in OPTIONS.items()
        ]

        @wraps(single)
        def run(*args: Any, **options: Any) -> Any:
            chosen = {name: options.pop(name, default) for name, default in DEFAULTS.items()}
            if not any(chosen.values()):
                return single(*args, **options)
            profile, region = options.pop("profile", None), options.pop("region", None)
            found = places(
                _listed(chosen["regions"]) or _listed(region),
                _listed(chosen["profiles"]) or _listed(profile),
                chosen["role_arn"] or [],
                chosen["external_id"],
            )
            return many(found, *args, **options)

        run.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*signature.parameters.values(), *added]
        )
        run.__annotations__ = {**single.__annotations__, **OPTIONS}
        return run  # type: ignore[return-value]

    return decorate


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def print_places(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print one table over all places. The first column is the place; where there is no room for
    it, each place is a line above its rows."""
    rows = list(rows)
    if not rows:
        return
    table = _table(headings, rows)
    if not has_room(table, console):
        table = _table((f"{headings[0]}\n  {headings[1]}", *headings[2:]), _below(rows))
    console.print(table, markup=False, highlight=False)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*headings, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*row)
    return table


def _below(rows: Sequence[Sequence[str]]) -> Iterator[Sequence[str]]:
    """Yield each place in a row of its own, and its rows without it."""
    for place, found in groupby(rows, key=itemgetter(0)):
        yield (place,)
        for _, name, *cells in found:
            yield (f"  {name}", *cells)


def print_problems(answers: Iterable[Answer[T]]) -> bool:
    """Print the places that gave no answer to standard error, and tell whether there are any."""
    problems = [answer for answer in answers if answer.problem]
    for answer in problems:
        print_failure_line(f"{answer.place}: {answer.problem}")
    return bool(problems)
