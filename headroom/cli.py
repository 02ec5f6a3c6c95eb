"""The command line: `headroom COMMAND`.

A command's module in headroom/commands/ is imported when the command is called. `--version` and
`--help` import none of them.
"""

import io
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from headroom.project import version

#: The commands by panel of `headroom --help`: each command's module in headroom/commands/, and its
#: line.
PANELS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Look (changes nothing)": {
        "status": ("plan", "Show every managed table: use, units, state, budget, cost."),
        "plan": ("plan", "Say what the next pass would do, with its money and budget."),
        "explain": ("explain", "Show what would be decided now about a table, and why."),
        "console": ("web_console", "Show tables, charts and the plan in the browser."),
        "history": ("history", "Show what was done to a table in the last days, and why."),
        "receipt": ("receipt", "Show what tables really cost and throttled, and others."),
        "cost": ("cost", "Show what each table costs a month, and the alternatives."),
        "pauses": ("pause", "List the pauses of this account and Region."),
        "hot-keys": ("hot_keys", "Show which keys of a table are throttled."),
        "check": ("configuration", "Check the configuration; show the settings of a table."),
        "doctor": ("deploy", "Check a stage, and print each problem with its remedy."),
    },
    "Act": {
        "apply": ("plan", "Show the plan, ask, and do exactly that."),
        "sweep": ("sweep", "Check every table from this machine, and scale it."),
        "pause": ("pause", "Pause the scaling of tables for some time."),
        "resume": ("pause", "End the pause of tables now."),
    },
    "Set up": {
        "setup": ("deploy", "Make what Chalice does not make. Safe to repeat."),
        "deploy": ("deploy", "Deploy the functions of a stage with Chalice."),
        "redrive": ("deploy", "Pass the dead letters of a stage to their functions again."),
        "dashboard": ("dashboard", "Print or write a CloudWatch dashboard of a stage."),
        "package": ("deploy", "Write a stage as a SAM template and a Terraform module."),
        "teardown": ("deploy", "Remove a stage and its alarms. The tables stay as they are."),
    },
    "Migrate": {
        "import": ("handover", "Translate the configuration of another autoscaler."),
    },
    "Try and measure": {
        "demo": ("play", "Play a day against the real app, in an embedded region."),
        "invoke": ("invoke", "Pass one alarm message to the handler by hand."),
        "backtest": ("backtest", "Replay a history, and compare the alternatives."),
        "tune": ("tune", "Find the cheapest settings within a throttling goal."),
        "bench": ("bench", "Compare the configuration with others on many traces."),
        "bench-scale": ("bench_scale", "Measure accounts of 10 to 10,000 tables."),
    },
}
COMMANDS: Mapping[str, tuple[str, str]] = {
    name: entry for commands in PANELS.values() for name, entry in commands.items()
}
#: The base of Typer's errors about a call. Its module differs from version to version.
CallError: Any = typer.BadParameter.__base__


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

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the commands by panel, and the options in one line: all fit one screen."""
        formatter.write_usage(ctx.command_path, "COMMAND [OPTIONS]")
        formatter.write(f"{self.help}\n\n")
        for title, commands in PANELS.items():
            formatter.write(f"{title}:\n")
            for name, (_, line) in commands.items():
                formatter.write(f"  {name:<12} {line}\n")
        formatter.write("\nOptions: --version, --install-completion, --show-completion, -h\n")
        formatter.write("Help and an example of a command: headroom COMMAND -h\n")

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if isinstance(error, (typer.Exit, typer.Abort, CallError, BrokenPipeError)):
                raise
            from headroom.commands import console  # noqa: PLC0415  needed after an error only

            if not isinstance(error, console.EXPECTED_ERRORS):
                raise
            console.print_error(error)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


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
    """Run the command line. Exit with 0, 1 (a finding, or nothing was done) or 2 (a wrong call)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale without UTF-8 lacks our arrows
            stream.reconfigure(errors="replace")
    try:
        # else named after argv[0], which `python -m` makes a path
        sys.exit(app(prog_name="headroom", standalone_mode=False) or 0)
    except CallError as error:
        _print_call_error(error)
        sys.exit(2)
    except typer.Abort:
        typer.echo("Stopped. Nothing more was done.", err=True)
        sys.exit(1)
    except BrokenPipeError:  # such as `| head`: Python would complain again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _print_call_error(error: Any) -> None:
    """Print in one line what is wrong with the call, and in another where the help is."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if message.startswith("Usage:"):  # no command at all
        typer.echo(message, err=True)
        return
    typer.echo(f"headroom: {message[:1].lower()}{message[1:]}", err=True)
    path = context.command_path if context else _called()
    typer.echo(f"  → {path} -h", err=True)


def _called() -> str:
    """Return the command that was called: an error about an option's value does not name it."""
    words = sys.argv[1:2]
    return " ".join(["headroom", *(word for word in words if word in COMMANDS)])


if __name__ == "__main__":
    main()
