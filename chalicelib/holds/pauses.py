"""The hold of an operator's pause: a tag on the table."""

from collections.abc import Iterator, Mapping, Sequence

from chalicelib.aws import pause_tags
from chalicelib.core import pause_tag
from chalicelib.core.observation import Observation
from chalicelib.model import DOWN, Alarm, Hold, Reason, Target
from chalicelib.run import Run


def by_pauses(
    run: Run, observations: Mapping[Target, Observation], _: Sequence[Alarm]
) -> Iterator[tuple[Target, Hold | None]]:
    """Yield the holds of the tags. They are read once in a run; unreadable tags hold decreases."""
    tags = run.once(
        "pauses", lambda: run.read("the pauses", "GetResources", pause_tags.tags, run.aws)
    )
    unknown = Hold(Reason.PAUSE_UNKNOWN, f"the tags {pause_tag.KEY} cannot be read", DOWN)
    for target in observations:
        if tags is None:
            yield target, unknown
        elif target.table in tags:
            yield target, pause_tag.hold(target.table, tags[target.table], run.now)
