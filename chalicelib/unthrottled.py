"""Which targets a check can go without the metric of throttled requests: half of what it reads.

DynamoDB throttles a target that is short of units only after its burst bucket is empty. What was
consumed shows how full that is. So a container that has seen no throttled request of a target for
hours reads their metric again only where some may have come, before a change, and from time to time
for a hot key.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from msgspec import structs

from chalicelib.aws.metrics import read_throttled
from chalicelib.core import checks
from chalicelib.core.observation import Observation
from chalicelib.core.strategies import adaptive
from chalicelib.model import DOWN, Direction, Hold, Metrics, Reason, Series, Target
from chalicelib.run import Run

Observations = Mapping[Target, Observation]


def omitted(run: Run, observations: Observations) -> dict[Target, datetime]:
    """Return the targets whose check begins without their throttled requests, and until when none
    were seen."""
    seen = {target: _seen(run, o) for target, o in observations.items()}
    return {target: until for target, until in seen.items() if until}


def _seen(run: Run, observation: Observation) -> datetime | None:
    seen = run.aws.unthrottled.get(observation.target)
    try:
        return seen if checks.may_omit_throttling(observation, seen, run.now) else None
    except TypeError:  # a date without a zone, which the decision on this table reports
        return None


def complete(
    run: Run,
    observations: Observations,
    without: Mapping[Target, datetime],
    directions: Collection[Direction],
) -> tuple[dict[Target, Observation], dict[Target, Series]]:
    """Return the observations, and the throttled requests that were read after all.

    without: what `omitted` returned. What cannot be read only forbids decreases.
    """
    known = {t: _with_recent(o) if t in without else o for t, o in observations.items()}
    wanted = checks.throttling_needed(known.values(), without, run.now, directions)
    found: Mapping[Target, Series] | None = {}
    if wanted:
        what = "the throttled requests"
        found = run.read(what, "GetMetricData", read_throttled, run.aws, wanted, run.now)
    unknown = Hold(Reason.NO_DATA, "the throttled requests cannot be read", DOWN)
    for target in wanted - (found or {}).keys():
        known[target] = structs.replace(known[target], holds=(*known[target].holds, unknown))
    return known, dict(found or {})


def _with_recent(observation: Observation) -> Observation:
    """Return the observation with what its series show: several questions follow."""
    if not observation.metrics.consumed.values:
        return observation
    recent = adaptive.recent_demand(observation)
    return structs.replace(observation, metrics=structs.replace(observation.metrics, recent=recent))


def keep(run: Run, metrics: Mapping[Target, Metrics]) -> None:
    """Keep until when nothing was throttled of these targets. Their throttled requests were
    read."""
    for target, found in metrics.items():
        if any(found.throttled.known()) or not found.consumed.values:
            run.aws.unthrottled.pop(target, None)
        else:
            run.aws.unthrottled[target] = found.consumed.end


def forget(run: Run, table: str) -> None:
    """Forget what is kept of a table: an alarm that goes to ALARM is news."""
    for target in [target for target in run.aws.unthrottled if target.table == table]:
        del run.aws.unthrottled[target]
