"""`headroom import …`: the way over from other autoscalers."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from headroom.commands import handover
from headroom.commands.console import errors
from headroom.migrate import dynamic_dynamodb

importers = typer.Typer(
    no_args_is_help=True, help="Bring the configuration of another autoscaler over."
)
handover.add_to(importers)


def add_to(app: typer.Typer) -> None:
    app.add_typer(importers, name="import")


def _text(raw: bytes) -> str:
    """Return what a file says. Dynamic DynamoDB read bytes; what is no UTF-8 can only stand in a
    comment."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@importers.command("dynamic-dynamodb")
def from_dynamic_dynamodb(
    file: Annotated[Path, typer.Argument(help="Its configuration file.")],
    annotate: Annotated[
        bool,
        typer.Option(
            help="Write the account into the configuration, as comments, instead of on standard error."
        ),
    ] = False,
) -> None:
    """Print the configuration for Headroom that a file of Dynamic DynamoDB's comes to, and account
    for every line of it.

    The configuration goes to standard output, the account to standard error: each line is
    translated, obsolete, refused or unknown, with the reason. The exit status is 1 where one is
    refused or unknown.
    """
    found = dynamic_dynamodb.translate(_text(file.read_bytes()), annotate)
    typer.echo(found.toml, nl=False)
    if not annotate:
        for line in found.lines:
            colour = "red" if line.kind in dynamic_dynamodb.LOST else "default"
            errors.print(
                f"{escape(str(file))}:{line.number}: [{colour}]{escape(str(line))}[/]",
                highlight=False,
            )
        for note in found.notes:
            errors.print(f"note: {escape(note)}", highlight=False)
    counted = ", ".join(f"{count} {kind}" for kind, count in found.counts.items())
    errors.print(f"{len(found.lines)} lines: {counted}.", highlight=False)
    if not found.is_whole:
        raise typer.Exit(1)
