"""What the commands share: where they print, which options they have in common, how a report is
told."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from chalicelib.config import loader
from chalicelib.config.rules import Config
from chalicelib.core.explain import sentence
from chalicelib.model import Decision
from chalicelib.run import Report
from headroom.deploy.account import describe_error
from headroom.project import ROOT

PIPE_WIDTH = 120
console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
errors = Console(stderr=True, soft_wrap=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="HEADROOM_CONFIG",
        help="The configuration; else chalicelib/headroom.toml.",
    ),
]
TopicOption = Annotated[
    str, typer.Option(envvar="ALARM_TOPIC", help="The alarm topic's name or ARN.")
]
DEFAULT_TOPIC = "headroom-alarms"


def rules_of(file: Path | None) -> Config:
    path = file or Path(os.environ.get("HEADROOM_CONFIG") or ROOT / "chalicelib" / "headroom.toml")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        words = f"not UTF-8, from byte {error.start} on; save it as UTF-8 (Windows PowerShell's > writes UTF-16)"
        raise loader.ConfigError(str(path), [words]) from None
    return loader.load(text, str(path))


def tell(report: Report, dry_run: bool) -> None:
    """Print a report in words, and end with an error where something failed."""
    say(report, dry_run, report.decisions)
    if report.failures:
        raise typer.Exit(1)


def say(report: Report, dry_run: bool, decisions: Iterable[Decision]) -> None:
    """Print a report in words, with some of its decisions."""
    for subject in (*report.skips, *decisions, *report.verdicts):
        console.print(sentence(subject), markup=False, highlight=False)
    for action in report.planned if dry_run else report.done:
        console.print(sentence(action, would=dry_run), markup=False, highlight=False)
    if dry_run and not report.planned:
        console.print("Would change nothing.")
    for failure in report.failures:
        sentence_of = f"{failure.subject}: {failure.doing} failed: {describe_error(failure.error)}"
        errors.print(f"[bold red]{escape(sentence_of)}[/]", highlight=False)


def progress_bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=errors, transient=True)
