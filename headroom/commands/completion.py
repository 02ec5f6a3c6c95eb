"""What the shell completes beside commands, options and files: names of tables, stages and scenes.

A name is completed while a person waits: an account that is silent, or that is not known,
completes none, and no error is printed.
"""

import contextlib
from itertools import islice

import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from headroom.deploy import stage as stages
from headroom.deploy.places import AwsPlace
from headroom.operator_error import OperatorError

#: How long AWS may be silent while a person waits for a name.
WAIT = Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 1})
#: ListTables gives 100 names a page (API Reference, ListTables, November 2026): so many are read.
PAGES = 20


def tables(context: typer.Context, incomplete: str) -> list[str]:
    """Return the tables of the account and Region that begin so, of the first 2,000."""
    region, profile = (context.params.get(name) or "" for name in ("region", "profile"))
    with contextlib.suppress(BotoCoreError, ClientError, ValueError):
        session = AwsPlace(region, profile).open()
        pages = session.client("dynamodb", config=WAIT).get_paginator("list_tables").paginate()
        names = (name for page in islice(pages, PAGES) for name in page["TableNames"])
        return [name for name in names if name.startswith(incomplete)]
    return []


def stage_names(incomplete: str) -> list[str]:
    """Return the stages of the project that begin so."""
    with contextlib.suppress(OperatorError, OSError, ValueError):
        return [name for name in stages.stage_names() if name.startswith(incomplete)]
    return []
