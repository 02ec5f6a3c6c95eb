"""`console`: the tables, the plan and the charts as a page in the browser."""

import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from chalicelib.aws.client import Aws
from chalicelib.config import loader
from chalicelib.config.types import DEFAULT_TOPIC
from headroom.commands.console import app, print_line
from headroom.commands.options import (
    ConfigOption,
    OfStageOption,
    TablesOption,
    TopicOption,
    in_account,
    named_file,
    text_of,
)
from headroom.commands.plan import Pass, make_pass
from headroom.console.data import Account
from headroom.console.embedded import EmbeddedSite
from headroom.console.server import Server
from headroom.console.site import Site, serve
from headroom.demo import four_tables
from headroom.deploy import stage as stages

#: The functions of the embedded region are those of this stage.
EMBEDDED_STAGE = "local"


@app.command(epilog="Example: headroom console --account --stage prod")
@in_account
def console(
    account: Annotated[
        bool, typer.Option("--account", help="Show your account, not the embedded region.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="With --account: it may apply plans and messages.")
    ] = False,
    table: TablesOption = "*",
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    topic: TopicOption = None,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65_535, help="0 for any that is free.")
    ] = 0,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the browser.")] = False,
) -> None:
    """Show tables, charts and the plan in the browser.

    On 127.0.0.1 only. It begins with a demo day in the embedded region; --account shows your
    account, and only reads it unless --write is given. Nothing is kept. Ctrl-C ends it.
    """
    if write and not account:
        raise typer.BadParameter("--write is for --account; in the embedded region all is allowed")
    if account:
        tables = make_pass(table, config_file, stage, topic)
        _ = tables.aws.account  # raises without credentials: then every page would fail
        own = stages.read(stage) if stage else None
        _run(serve(Site(Account(tables, own, _now), write), port), open_browser)
    else:
        with embedded(named_file(config_file, stage), table) as site:
            _run(serve(site, port), open_browser)


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def embedded(file: Path | None = None, glob: str = "*") -> Iterator[EmbeddedSite]:
    """Yield the console of four tables in the embedded region, at 00:00 of its first day."""
    text = text_of(file) if file else four_tables.CONFIG
    config = loader.load(text, str(file or "of the demo"))
    with four_tables.open_region(text) as region:
        aws = Aws(DEFAULT_TOPIC, sleep=lambda _: None)  # time is simulated: nobody waits
        tables = Pass(aws, config, file or Path("of the demo"), glob)
        account = Account(tables, stages.read(EMBEDDED_STAGE), lambda: region.now)
        yield EmbeddedSite(account, True, region)


def _run(server: Server, open_browser: bool) -> None:
    """Serve until Ctrl-C."""
    print_line(f"Headroom's console: {server.url}")
    print_line("It answers this computer only. Ctrl-C ends it.")
    if open_browser:
        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print_line("Stopped.")
    finally:
        server.stop()
