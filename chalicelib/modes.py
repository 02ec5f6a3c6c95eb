"""The billing modes of the tables with `mode = "cheapest"`: observe, decide, act, once an hour.

It comes before the capacity of the tables is looked at. A table that is switched is UPDATING then,
so nothing else changes it in the same run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from msgspec import structs

from chalicelib.aws import pause_tags
from chalicelib.aws.metrics import read_metrics, read_weeks
from chalicelib.aws.modes import set_mode
from chalicelib.aws.tables import ChangedMeanwhile, Refused
from chalicelib.core import modes, price_list
from chalicelib.core.modes import ModeDecision, ModeFacts, ModeTag
from chalicelib.core.observation import Observation
from chalicelib.holds import circuit_breaker
from chalicelib.holds.gather import collect
from chalicelib.model import BOTH, Dimension, Hold, Reason, Series, SetMode, TableState, Target
from chalicelib.observe import describe_in_time, with_units
from chalicelib.run import Run


def choose(run: Run, names: Iterable[str]) -> set[str]:
    """Switch the billing modes of those tables whose mode Headroom may choose, where that pays.

    Returns the tables that are switched, or would be without the dry run of the command: nothing
    else is planned for them.
    """
    chosen = [name for name in names if _may_choose(run, name)]
    if chosen:
        run.attempt("the billing modes", "choosing them", _choose, run, chosen)
    decisions = run.report.mode_decisions
    return {d.table for d in decisions if d.switches and not d.dry_run}


def open_parachutes(run: Run, observations: Mapping[Target, Observation]) -> None:
    """Switch tables to on demand whose increase a quota has refused, where throttling costs more.

    observations: of such tables at least.
    """
    chosen = [name for name in dict.fromkeys(run.report.at_limit) if _may_choose(run, name)]
    if chosen and run.has_time():
        run.attempt("the billing modes", "choosing them", _open, run, chosen, observations)


def _open(run: Run, names: Sequence[str], observations: Mapping[Target, Observation]) -> None:
    tables = [t for t in describe_in_time(run, names).values() if isinstance(t, TableState)]
    tags = run.read("the modes", "GetResources", pause_tags.tags, run.aws, modes.KEY)
    for table in tables if tags is not None else ():
        known = {t: observations[t] for t in table.targets() if t in observations}
        if not table.active or known.keys() != set(table.targets()):
            continue
        facts = _facts(run, table, (tags or {}).get(table.name), {}, {}, known)
        decision = modes.parachute(facts, known, run.now)
        if decision:
            done = decision if decision.dry_run else _act(run, decision)
            run.report.mode_decisions.append(done)


def _may_choose(run: Run, table: str) -> bool:
    policy = run.config.policy_for(Target(table, "", Dimension.READ))
    return policy is not None and policy.mode == "cheapest"


def _choose(run: Run, names: Sequence[str]) -> None:
    described = describe_in_time(run, names)
    tables = [t for t in described.values() if isinstance(t, TableState) and t.active]
    targets = [target for table in tables for target in table.targets()]
    tags = run.read("the modes", "GetResources", pause_tags.tags, run.aws, modes.KEY)
    days = run.read("the last days", "GetMetricData", read_weeks, run.aws, targets, run.now)
    if tags is None or days is None:
        return
    newest = _newest(run, tables)
    observations = {o.target: o for table in tables for o in with_units(run, table)}
    observations = collect(run, observations, [])
    for table in tables:
        if run.has_time():
            facts = partial(_facts, run, table, tags.get(table.name), days, newest, observations)
            run.attempt(table.name, "choosing its mode", _decide, run, facts, observations)
        else:
            run.skip_for_time(f"the billing mode of {table.name}")


def _newest(run: Run, tables: Sequence[TableState]) -> Mapping[Target, Series]:
    """Return the demand of the newest minutes, of the tables that may become provisioned."""
    targets = [target for table in tables if table.on_demand for target in table.targets()]
    if not targets:
        return {}
    steady = set(targets)
    read = run.read("the metrics", "GetMetricData", read_metrics, run.aws, targets, run.now, steady)
    return {target: metrics.consumed for target, metrics in (read or {}).items()}


def _facts(
    run: Run,
    table: TableState,
    tag: str | None,
    days: Mapping[Target, Series],
    newest: Mapping[Target, Series],
    observations: Mapping[Target, Observation],
) -> ModeFacts:
    targets = table.targets()
    region, own = run.aws.region, run.config.money
    holds = [hold for target in targets for hold in observations[target].holds]
    if table.replicas:
        why = f"a switch would be made in {', '.join(table.replicas)} too"
        holds.insert(0, Hold(Reason.GLOBAL_TABLE, why, BOTH))
    return ModeFacts(
        table.name,
        table.on_demand,
        policies={target: run.policy(target) for target in targets},
        days={target: days[target] for target in targets if target in days},
        recent={target: newest[target] for target in targets if target in newest},
        unit_hours=price_list.unit_hours(region, table.table_class, own),
        request_hours=price_list.request_hours(region, table.table_class, own),
        on_demand_at=table.on_demand_at,
        tag=None if tag is None else modes.parse(tag),
        holds=tuple(holds),
        ceilings=dict(table.ceilings),
    )


def _decide(
    run: Run, gather: Callable[[], ModeFacts], observations: Mapping[Target, Observation]
) -> None:
    facts = gather()
    decision = modes.decide(facts, run.now)
    if decision.switches and not decision.dry_run:
        held = _held_by_breakers(run, facts, observations)
        decision = modes.decide(held, run.now) if held else decision
    if decision.changes and not decision.dry_run:
        decision = _act(run, decision)
    run.report.mode_decisions.append(decision)


def _held_by_breakers(
    run: Run, facts: ModeFacts, observations: Mapping[Target, Observation]
) -> ModeFacts | None:
    """Return the facts with what the circuit breakers hold; None where they hold nothing."""
    known = {target: observations[target] for target in facts.policies}
    held = circuit_breaker.holds(run, known, circuit_breaker.questions(known.values()))
    more = tuple(hold for observation in held.values() for hold in observation.holds)
    return structs.replace(facts, holds=(*facts.holds, *more)) if held else None


def _act(run: Run, decision: ModeDecision) -> ModeDecision:
    """Do what was decided; return the decision, without its change where it was not done."""
    action = action_of(decision, run)
    run.report.planned.append(action)
    if run.dry_run:
        return decision
    if not run.allows([action]):
        run.skip(decision.table, Reason.CHANGED_MEANWHILE, "its plan is not the one that was shown")
        return _undone(decision, Reason.CHANGED_MEANWHILE)
    try:
        set_mode(run.aws, action)
    except Refused as error:
        is_changed = isinstance(error, ChangedMeanwhile)
        reason = Reason.CHANGED_MEANWHILE if is_changed else Reason.REFUSED
        run.skip(decision.table, reason, str(error))
        return _undone(decision, reason)
    except Exception as error:  # noqa: BLE001  one table must not stop the others
        run.fail(decision.table, "SetMode", error)
        return _undone(decision, Reason.FAILED)
    run.report.done.append(action)
    return decision


def action_of(decision: ModeDecision, run: Run) -> SetMode:
    """Return the action of a decision."""
    mode = modes.ON_DEMAND if decision.becomes_on_demand else modes.PROVISIONED
    why = modes.EMERGENCY if decision.reason is Reason.PARACHUTE else ""
    note = (modes.KEY, str(ModeTag(mode, run.now, why))) if decision.switches else ("", "")
    return SetMode(
        decision.table,
        decision.on_demand,
        decision.becomes_on_demand,
        tuple(sorted(decision.units.items())),
        tuple(sorted(decision.ceilings.items())),
        note,
    )


def _undone(decision: ModeDecision, reason: Reason) -> ModeDecision:
    return structs.replace(
        decision, becomes_on_demand=decision.on_demand, reason=reason, ceilings={}
    )
