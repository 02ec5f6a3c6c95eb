"""`headroom import …`: translate another autoscaler's configuration, and account for each line.

The configuration goes to standard output, the account to standard error. The exit status is 1 where
something is refused or unknown.
"""

import codecs
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from headroom.commands.console import errors
from headroom.counted import counted
from headroom.migrate import config_js, dynamic_dynamodb, variables
from headroom.migrate.dynamic_command_line import translate_command_line
from headroom.migrate.imported import LOST, Imported, Kind
from headroom.operator_error import OperatorError

COLOURS = dict.fromkeys(LOST, "red") | {Kind.OFF: "yellow"}
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Its file.")]

importers = typer.Typer(
    no_args_is_help=True,
    help="Translate the configuration of another autoscaler.",
    rich_markup_mode=None,
    epilog="Example: headroom import dynamic-dynamodb dynamic-dynamodb.conf > headroom.toml",
)


@importers.command(
    "dynamic-dynamodb",
    epilog="Example: headroom import dynamic-dynamodb -- --table-name orders --dry-run",
)
def from_dynamic_dynamodb(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE | -- OPTIONS", help="Its configuration file; or, after --, its options."
        ),
    ],
    annotate: Annotated[
        bool,
        typer.Option(
            "--annotate",
            help="Write the account into the configuration, as comments, "
            "instead of on standard error.",
        ),
    ] = False,
) -> None:
    """Translate Dynamic DynamoDB's file or command line.

    Each line is translated, switched off, obsolete, refused or unknown, with the reason.
    """
    if len(words) == 1 and not words[0].startswith("-"):
        file = Path(words[0])
        imported = dynamic_dynamodb.translate(_decode(file.read_bytes()), annotate)
        _report(imported, str(file), annotate)
    else:
        _report(translate_command_line(words, annotate), "option ", annotate)


@importers.command(
    "dynamic-dynamoo", epilog="Example: headroom import dynamic-dynamoo .env > headroom.toml"
)
def from_dynamic_dynamoo(file: FileArgument) -> None:
    """Translate dynamicDynamoo's environment variables."""
    _translate(file, variables.from_dynamoo)


@importers.command(
    "emr-control", epilog="Example: headroom import emr-control .env >> headroom.toml"
)
def from_emr_control(file: FileArgument) -> None:
    """Translate dynamodb-autoscaler-control's variables."""
    _translate(file, variables.from_emr_control)


@importers.command(
    "config-js", epilog="Example: headroom import config-js config.js > headroom.toml"
)
def from_config_js(file: FileArgument) -> None:
    """Translate the config.js of two older autoscalers.

    They are rockeee's dynamic-dynamodb-lambda and auto_dynamoDB_scale, which is made from it.
    """
    _translate(file, config_js.translate)


def _translate(file: Path, translate: Callable[[str], Imported]) -> None:
    """Translate a file, and print what became of it. Raises OperatorError if nothing could."""
    try:
        imported = translate(_decode(file.read_bytes()))
    except OperatorError as error:
        raise OperatorError(f"{file}: {error}") from None
    _report(imported, str(file))


def _report(imported: Imported, source: str, annotate: bool = False) -> None:
    """Print a configuration, and what became of each line. Exit with 1 where something is lost."""
    typer.echo(imported.toml, nl=False)
    place = source if source.endswith(" ") else f"{source}:"
    for line in () if annotate else imported.lines:
        colour = COLOURS.get(line.kind, "default")
        errors.print(
            f"{escape(place)}{line.number}: [{colour}]{escape(str(line))}[/]", highlight=False
        )
    for note in () if annotate else imported.notes:
        errors.print(f"note: {escape(note)}", highlight=False)
    counts = ", ".join(f"{count} {kind}" for kind, count in imported.counts.items())
    errors.print(f"{counted(len(imported.lines), 'line')}: {counts}.", highlight=False)
    if not imported.is_whole:
        raise typer.Exit(1)


def _decode(raw: bytes) -> str:
    """Return the text of a file.

    Dynamic DynamoDB read bytes, and never decoded the comments: text that is not UTF-8 can only be
    in a comment.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
