"""Jobs that own a table's capacity while they run, such as a nightly backup: the conditions of
`[[pause]]`."""

from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.model import BOTH, DOWN, Direction

JobKind = Literal["emr_cluster", "step_function", "glue_job", "backup", "export"]
#: Kinds of job that belong to a table, and need no name.
OF_TABLE = frozenset({"backup", "export"})


class JobPause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A job during which Headroom does not change the capacity of some tables.

    Raises ValueError if the prefix does not fit the kind of job.
    """

    name: Annotated[str, Meta(min_length=1, description="What it is called in decisions.")]
    job: Annotated[
        JobKind,
        Meta(
            description="`emr_cluster`, `step_function` and `glue_job` run under a name; "
            "`backup` (AWS Backup) and `export` (to S3) are jobs on the table itself."
        ),
    ]
    tables: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="The tables that it pauses: names or globs."),
    ]
    prefix: Annotated[
        str,
        Meta(description="What the name of the cluster, state machine or Glue job begins with."),
    ] = ""
    regions: Annotated[
        tuple[str, ...],
        Meta(description="Where to look for it; without any, in Headroom's own Region."),
    ] = ()
    holds: Annotated[
        Literal["everything", "decreases"],
        Meta(description="Whether increases are paused as well, or only decreases."),
    ] = "everything"
    reserve_decrease: Annotated[
        bool,
        Meta(
            description="Reserve one decrease of the day, "
            "so that capacity can be lowered when the job ends."
        ),
    ] = False

    def __post_init__(self) -> None:
        """Reject a job without a name, and a name for a job that has none."""
        if self.prefix and self.job in OF_TABLE:
            raise ValueError(f"job = '{self.job}' takes no prefix, since it belongs to the table")
        if not self.prefix and self.job not in OF_TABLE:
            raise ValueError(f"job = '{self.job}' needs the prefix of its name")

    @property
    def directions(self) -> frozenset[Direction]:
        """Return the directions in which it holds."""
        return BOTH if self.holds == "everything" else DOWN

    def concerns(self, table: str) -> bool:
        """Tell whether a table is among those that it holds."""
        return any(fnmatchcase(table, pattern) for pattern in self.tables)
