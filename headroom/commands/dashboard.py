"""`dashboard`: the CloudWatch dashboard of a stage."""

from fnmatch import fnmatchcase
from typing import Annotated

import typer

from chalicelib.aws.client import Aws
from chalicelib.aws.tables import describe_tables, table_names
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
    states = _managed(Aws(settings.topic_arn(location)), rules, table)
    body = dashboards.dashboard_body(settings, rules, location, dashboards.parts_of(states))
    result = dashboards.Dashboard(dashboards.name_of(settings, location.region), body)
    if apply:
        for outcome in setup([result], session):
            print_line(f"{outcome.subject}: {outcome.result}")
    else:
        print_json(body)
    errors.print(f"{dashboards.price(body)}.", highlight=False)


def _managed(aws: Aws, rules: Config, glob: str) -> list[TableState]:
    """Return the managed tables that a glob matches. One that cannot be read is left out."""
    names = [n for n in table_names(aws) if rules.manages(n) and fnmatchcase(n, glob)]
    found = describe_tables(aws, names)
    for name, state in found.items():
        if isinstance(state, Exception):
            print_failure(name, state)
    return [state for state in found.values() if isinstance(state, TableState)]
