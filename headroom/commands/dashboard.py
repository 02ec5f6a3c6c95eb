"""`dashboard`: the CloudWatch dashboard of a stage."""

from fnmatch import fnmatchcase
from typing import Annotated

import typer

from chalicelib.aws.client import Aws
from chalicelib.aws.tables import describe_tables, table_names
from chalicelib.config.mistakes import nearest
from chalicelib.config.rules import Config
from chalicelib.model import TableState
from headroom.commands.console import app, errors, print_failure, print_json, print_line
from headroom.commands.options import StageOption, TablesOption, in_account
from headroom.deploy import dashboard as dashboards
from headroom.deploy import stage as stages
from headroom.deploy.account import AwsSession
from headroom.deploy.setup import setup


@app.command(epilog="Example: headroom dashboard --stage prod --table 'orders-*' --apply")
@in_account
def dashboard(
    name: StageOption,
    table: TablesOption = "*",
    apply: Annotated[
        bool, typer.Option("--apply", help="Write it; else its JSON is printed.")
    ] = False,
) -> None:
    """Print or write a CloudWatch dashboard of a stage.

    It shows the tables, Headroom's decisions and errors, and its functions. It stays until the
    teardown, or until you delete it, and lists the tables of the time at which it was written.
    """
    project = stages.project_folder()
    settings = stages.read(name, project)
    rules = stages.rules(settings, project)
    settings = stages.complete(settings, rules)
    session = AwsSession()
    location = session.location
    states, is_whole = _managed(Aws(settings.topic_arn(location)), rules, table)
    body = dashboards.dashboard_body(settings, rules, location, dashboards.parts_of(states))
    result = dashboards.Dashboard(dashboards.name_of(settings, location.region), body)
    if apply:
        for outcome in setup([result], session):
            print_line(f"{outcome.subject}: {outcome.result}")
    else:
        print_json(body)
    errors.print(f"{dashboards.price(body)}.", highlight=False)
    raise typer.Exit(0 if is_whole else 1)


def _managed(aws: Aws, rules: Config, glob: str) -> tuple[list[TableState], bool]:
    """Return the managed tables that a glob matches, and whether they are all that was meant.

    A table that cannot be read is reported and left out.
    """
    names = table_names(aws)
    matching = [name for name in names if fnmatchcase(name, glob)]
    if not matching and glob != "*":
        errors.print(f"no table matches {glob}{nearest(glob, names)}", markup=False)
        raise typer.Exit(1)
    found = describe_tables(aws, [name for name in matching if rules.manages(name)])
    failed = {name: state for name, state in found.items() if isinstance(state, Exception)}
    for name, error in failed.items():
        print_failure(name, error)
    return [state for state in found.values() if isinstance(state, TableState)], not failed
