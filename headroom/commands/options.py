"""The options that commands share, each defined once, and what they select.

Whose configuration counts is one rule for all commands, from the first that is given:

1. `--config FILE`
2. `--stage NAME`: the configuration of this stage in `.chalice/config.json`
3. the variable HEADROOM_CONFIG
4. `chalicelib/headroom.toml` of the project, which is the current folder if it has
   `.chalice/config.json`, else the checkout of this code

The topic follows the same order: `--topic`, the stage's ALARM_TOPIC, the variable, the default.
"""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from chalicelib.config import loader
from chalicelib.config.rules import Config
from chalicelib.config.types import DEFAULT_TOPIC
from headroom.commands import completion
from headroom.deploy import stage as stages
from headroom.operator_error import OperatorError
from headroom.project import ROOT

F = TypeVar("F", bound=Callable[..., Any])

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration; else that of --stage, of the variable HEADROOM_CONFIG, or "
        "chalicelib/headroom.toml.",
    ),
]
#: The stage of a command that belongs to one stage.
StageOption = Annotated[
    str,
    typer.Option(
        "--stage",
        metavar="NAME",
        help="A stage of .chalice/config.json, such as dev or prod.",
        autocompletion=completion.stage_names,
    ),
]
#: The stage whose configuration and topic a command uses.
OfStageOption = Annotated[
    str | None,
    typer.Option(
        "--stage",
        metavar="NAME",
        help="The stage whose configuration and topic count.",
        autocompletion=completion.stage_names,
    ),
]
TopicOption = Annotated[
    str | None,
    typer.Option(
        "--topic",
        metavar="TOPIC",
        help="The alarm topic's name or ARN; else that of --stage, or of ALARM_TOPIC.",
    ),
]
TablesOption = Annotated[
    str,
    typer.Option(
        "--table",
        metavar="GLOB",
        help="Only these tables, such as 'orders-*'.",
        autocompletion=completion.tables,
    ),
]
#: One table, which a command is about.
TableArgument = Annotated[
    str,
    typer.Argument(
        metavar="TABLE", help="The name of the table.", autocompletion=completion.tables
    ),
]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="The profile of the AWS CLI.")
]
RegionOption = Annotated[
    str | None, typer.Option("--region", metavar="NAME", help="The Region, such as eu-west-1.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show the plan in words; change nothing.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def _one_format(context: typer.Context, value: bool) -> bool:
    """Return whether a format is chosen. Raises BadParameter if another one is chosen too."""
    if value and (context.params.get("as_json") or context.params.get("as_csv")):
        raise typer.BadParameter("give --json or --csv, not both")
    return value


JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document.", callback=_one_format)
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.", callback=_one_format)]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also the numbers: docs/glossary.md explains them.")
]

SaveOption = Annotated[bool, typer.Option("--save", help="Write the result file anew.")]


def results_option(file: Path) -> Any:
    """Return the option for the result file that a benchmark compares with."""
    return typer.Option(
        "--results",
        metavar="FILE",
        show_default=str(file.relative_to(ROOT)),
        help="The result file to compare with.",
    )


def output_file(path: Path | None) -> Path | None:
    """Return a file to write, before the work is done for it.

    Raises BadParameter if it cannot be written.
    """
    if path is None:
        return None
    folder = path.absolute().parent
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder: name a file in it")
    if not folder.is_dir():
        raise typer.BadParameter(f"{path}: there is no folder {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise typer.BadParameter(f"{path} cannot be written")
    return path


def output_folder(path: Path) -> Path:
    """Return a folder to write into, which may have to be made.

    Raises BadParameter if it cannot be.
    """
    existing = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise typer.BadParameter(f"{existing} is no folder")
    if not os.access(existing, os.W_OK):
        raise typer.BadParameter(f"{existing} cannot be written")
    return path


def in_account(command: F) -> F:
    """Give a command `--profile` and `--region`. They hold while it runs."""
    own = inspect.signature(command)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in (("profile", ProfileOption), ("region", RegionOption))
    ]

    @wraps(command)
    def in_place(
        *args: Any, profile: str | None = None, region: str | None = None, **options: Any
    ) -> Any:
        place = {
            "AWS_PROFILE": profile,
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
        }
        with _environment({name: value for name, value in place.items() if value}):
            try:
                return command(*args, **options)
            except ValueError as error:  # botocore's, which is none of its own errors
                if not str(error).startswith("Invalid endpoint"):
                    raise
                raise OperatorError(
                    f"{error}. Set AWS_ENDPOINT_URL to an address, such as http://127.0.0.1:5000."
                ) from None

    in_place.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[*own.parameters.values(), *added]
    )
    in_place.__annotations__ = {
        **command.__annotations__,
        **{parameter.name: parameter.annotation for parameter in added},
    }
    return in_place  # type: ignore[return-value]


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def named_file(file: Path | None = None, stage: str | None = None) -> Path | None:
    """Return the path of the configuration that is named, by the first three of the rules above.

    Raises StageError if there is no such stage.
    """
    if file:
        return file
    if stage:
        project = stages.project_folder()
        return project / stages.read(stage, project).config_file
    named = os.environ.get("HEADROOM_CONFIG")
    return Path(named) if named else None


def configuration_file(file: Path | None = None, stage: str | None = None) -> Path:
    """Return the path of the configuration that counts."""
    default = stages.project_folder() / "chalicelib" / "headroom.toml"
    return named_file(file, stage) or default


def rules_of(file: Path | None = None, stage: str | None = None) -> Config:
    """Return the configuration that counts.

    Raises ConfigError with every problem, OSError if there is no such file.
    """
    path = configuration_file(file, stage)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise loader.ConfigError(str(path), [_not_text(error)]) from None
    return loader.load(text, str(path))


def text_of(path: Path) -> str:
    """Return the text of a file. Raises OperatorError if it is no UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise OperatorError(f"{path}: {_not_text(error)}") from None


def _not_text(error: UnicodeDecodeError) -> str:
    return (
        f"not UTF-8, from byte {error.start} on; save it as UTF-8 "
        "(Windows PowerShell's > writes UTF-16)"
    )


def topic_of(topic: str | None = None, stage: str | None = None) -> str:
    """Return the name or ARN of the topic that counts."""
    if topic:
        return topic
    if stage:
        return stages.read(stage).topic
    return os.environ.get("ALARM_TOPIC") or DEFAULT_TOPIC


def service_of(stage: str | None = None) -> str:
    """Return the name under which a stage publishes its metrics; "" without a stage."""
    return stages.read(stage).prefix if stage else ""
