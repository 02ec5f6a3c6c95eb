"""The deployment that the checks look at, and what a check reports."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from botocore.exceptions import ClientError

from chalicelib import handlers
from chalicelib.aws.client import Aws
from chalicelib.aws.tables import describe_tables, table_names
from chalicelib.config.rules import Config
from chalicelib.model import TableState, Target
from chalicelib.run import Report, Run
from headroom.deploy import stage as stages
from headroom.deploy.account import DENIED, AwsSession, error_code
from headroom.deploy.roles import roles_in_use
from headroom.deploy.stage import Stage


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what to do about it."""

    check: str
    problem: str
    remedy: str


@dataclass
class Deployment:
    """The stage that is checked. Every fact is read once."""

    stage: Stage
    project: Path
    session: AwsSession
    now: datetime

    @cached_property
    def functions(self) -> list[str]:
        return sorted(self.roles)

    @cached_property
    def roles(self) -> dict[str, str]:
        """Return the roles of Chalice's functions, by the functions' short names."""
        found = roles_in_use(self.stage, self.session)
        return {name: role for name, role in found.items() if name != stages.UNDERSTUDY}

    @cached_property
    def aws(self) -> Aws:
        return Aws(self.stage.topic, session=self.session.session)

    @cached_property
    def rules(self) -> Config:
        return stages.rules(self.stage, self.project)

    @cached_property
    def table_names(self) -> list[str]:
        return table_names(self.aws)

    @cached_property
    def tables(self) -> dict[str, TableState]:
        """Return the managed tables that have capacity to set."""
        return self._provisioned(name for name in self.table_names if self.rules.manages(name))

    @cached_property
    def other_tables(self) -> dict[str, TableState]:
        """Return the tables with capacity that no rule manages: they count for the quota too."""
        return self._provisioned(n for n in self.table_names if not self.rules.manages(n))

    def _provisioned(self, names: Iterable[str]) -> dict[str, TableState]:
        wanted = list(names)
        return {
            name: state
            for name, state in (describe_tables(self.aws, wanted) if wanted else {}).items()
            if isinstance(state, TableState) and not state.on_demand
        }

    @property
    def targets(self) -> Iterator[Target]:
        for table in self.tables.values():
            yield from table.targets()

    @cached_property
    def next_sweep(self) -> Report:
        """Return what a sweep would do now. Each of its actions corrects something."""
        run = Run(self.aws, self.rules, self.now, dry_run=True)
        handlers.sweep(run)
        handlers.stand_by(run)
        return run.report

    @property
    def deploy_remedy(self) -> str:
        return f"Deploy: make deploy STAGE={self.stage.name}."


Check = Callable[[Deployment], Iterator[Finding]]


def finding_of_error(check: str, error: Exception, subject: str = "") -> Finding:
    """Return the finding for an error.

    subject: what was read, where the check reads several things.
    """
    prefix = f"{subject}: " if subject else ""
    if not isinstance(error, ClientError):
        return Finding(
            check,
            f"{prefix}{error}",
            "Check the network, the Region and the profile, then run this command again.",
        )
    operation = error.operation_name
    if error_code(error) in DENIED:
        return Finding(
            check,
            f"{prefix}not allowed to call {operation}",
            f"Give your credentials the permission for {operation}, then run this again.",
        )
    return Finding(
        check,
        f"{prefix}{operation} failed: {error}",
        "Correct what AWS reports, then run this command again.",
    )
