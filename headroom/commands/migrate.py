"""`headroom import …`: the way over from other autoscalers."""

from __future__ import annotations

import typer

importers = typer.Typer(no_args_is_help=True, help="Bring the configuration of another autoscaler over.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(importers, name="import")
