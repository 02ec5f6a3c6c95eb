"""The command line: `headroom COMMAND`.

A command's module in headroom/commands/ is imported when the command is called. `--version` and
`--help` import none of them.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from headroom.project import version

#: Each command's module in headroom/commands/ and its line in `headroom --help`.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": (
        "play",
        "Play demand against the real app in an embedded region, and print each decision.",
    ),
    "invoke": (
        "play",
        "Pass one alarm message to the handler by hand.",
    ),
    "backtest": (
        "backtest",
        "Replay demand under the current configuration, and compare it with the alternatives.",
    ),
    "tune": (
        "tune",
        "Search for the cheapest adaptive settings that meet a throttling goal, and test "
        "them on other days.",
    ),
    "cost": (
        "cost",
        "Print what each table and index costs a month, and what the alternatives would "
        "cost. Changes nothing.",
    ),
    "bench": (
        "bench",
        "Compare the configuration with Application Auto Scaling, Dynamic DynamoDB and "
        "the optimum, on many traces.",
    ),
    "bench-scale": (
        "bench_scale",
        "Measure what Headroom does in accounts of 10 to 10,000 tables, against an AWS below "
        "botocore in virtual time.",
    ),
    "check": (
        "configuration",
        "Check the configuration: print every problem with its path, or the settings of one table.",
    ),
    "explain": (
        "configuration",
        "Explain what Headroom would decide now for a table or an Auto Scaling group. "
        "Changes nothing.",
    ),
    "pause": (
        "pause",
        "Pause the scaling of tables for some time. Headroom still repairs their alarms.",
    ),
    "resume": (
        "pause",
        "End the pause of tables now.",
    ),
    "pauses": (
        "pause",
        "List the pauses of this account and Region.",
    ),
    "sweep": (
        "sweep",
        "Check every managed table from this machine, once or until Ctrl-C, and scale it "
        "up or down.",
    ),
    "setup": (
        "deploy",
        "Create what Chalice does not create, before and after `deploy`. Safe to repeat.",
    ),
    "deploy": (
        "deploy",
        "Deploy the functions of a stage with Chalice, in a small package of compiled modules.",
    ),
    "teardown": (
        "deploy",
        "Remove a stage and its alarms. The tables stay exactly as they are. Safe to stop "
        "and to repeat.",
    ),
    "doctor": (
        "deploy",
        "Check a stage, and print each problem with its remedy. Changes nothing; ends "
        "with 1 on any finding.",
    ),
    "redrive": (
        "deploy",
        "Pass the dead letters of a stage to their functions again. Handled messages "
        "leave the queue.",
    ),
    "package": (
        "deploy",
        "Write a stage as a SAM template and as a Terraform module. Needs no AWS account.",
    ),
    "import": (
        "handover",
        "Translate the configuration of another autoscaler.",
    ),
}


class LazyCommand(TyperCommand):
    """A command by name and help line. Its module is imported when it is called."""

    def __init__(self, name: str, module: str, line: str) -> None:
        super().__init__(name, help=line)
        self.module = module

    def load(self) -> Any:
        module = import_module(f"headroom.commands.{self.module}")
        return typer.main.get_group(module.app).commands[str(self.name)]

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the context of the command itself; Typer runs the command of this context."""
        return self.load().make_context(*args, **kwargs)


class CommandGroup(TyperGroup):
    """All commands. A mistake of the operator ends in one sentence, not in a traceback."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: LazyCommand(name, *entry) for name, entry in COMMANDS.items()}

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            from headroom.commands import console  # noqa: PLC0415  needed after an error only

            if not isinstance(error, console.EXPECTED_ERRORS):
                raise
            console.print_error(error)
            raise typer.Exit(2) from None


app = typer.Typer(cls=CommandGroup, no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(version())
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version of Headroom.",
        ),
    ] = False,
) -> None:
    """Headroom: an alarm-driven autoscaler for DynamoDB's provisioned capacity."""


def main() -> None:
    app()


if __name__ == "__main__":
    main()
