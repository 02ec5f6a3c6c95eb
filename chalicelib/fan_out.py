"""Large accounts: hand groups of tables to the workers, which take them side by side.

A message says which tables to check, for which function, and in which directions. It holds no fact:
the worker reads the table, its alarms and its metrics, as every function does. So a message that is
doubled, late or forged changes nothing that the facts do not call for.
"""

from collections.abc import Collection, Mapping, Sequence

from chalicelib.aws import queue
from chalicelib.events import Check, GroupEvent, to_text
from chalicelib.model import Direction
from chalicelib.reconcile import GROUP
from chalicelib.run import Run

#: Tables of a group, where it is not GROUP. A decrease rewrites alarms first: of ten workers each
#: writes 0.3 a second, so those of eight tables with 2.8 targets each take 75 of its 120 seconds.
#: The alarms of 70 such tables are two calls of DescribeAlarms, and those of 80 are three. Three
#: reads of their metrics fit into the datapoints of a second, and two of 80.
SIZES: Mapping[Check, int] = {"scale_down": 8, "sweep": 70}


def is_for_workers(run: Run, tables: int) -> bool:
    """Tell whether workers take so many tables, and not this function itself."""
    settings = run.config.fan_out
    return settings is not None and tables > settings.above_tables and run.may_hand_over


def hand_over(
    run: Run, check: Check, names: Sequence[str], directions: Collection[Direction]
) -> list[str]:
    """Hand tables to the workers; return those that are left to this function.

    All are left where the configuration has no workers, where the tables are few, and where the
    queue does not answer. Every run begins with another group: where the workers have no time for
    all groups, the same ones are not left each time.
    """
    if not is_for_workers(run, len(names)):
        return list(names)
    # tables with like names are often alike, and large ones must not be in one group
    count = -(-len(names) // SIZES.get(check, GROUP))
    groups = [sorted(names)[first::count] for first in range(count)]
    first = int(run.now.timestamp() // 60) % len(groups)
    groups = [*groups[first:], *groups[:first]]
    texts = [
        to_text(GroupEvent(check, tuple(group), frozenset(directions), len(groups)))
        for group in groups
    ]
    refused = run.read("the queue of groups", "SendMessageBatch", queue.send, run.aws, texts, check)
    left = list(names) if refused is None else [name for at in refused for name in groups[at]]
    run.report.handed_over += len(names) - len(left)
    return left
