"""What moto keeps, copied and put back: a deployment costs seconds, its copy a hundredth of one."""

import copy
import copyreg
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from moto.core.base_backend import BackendDict


@dataclass(frozen=True, slots=True)
class State:
    """The backends of all services, and where each belongs: service, account and Region."""

    places: Sequence[tuple[Any, str, str]]
    kept: Sequence[Any]


# A lock is copied as a new one. A condition holds methods of its lock, and would keep the old one.
for make in (threading.Lock, threading.RLock, threading.Condition):
    copyreg.pickle(type(make()), lambda _, make=make: (make, ()))  # type: ignore[misc]


#: States that tests begin with, by what makes them differ.
_STATES: dict[str, State] = {}


def begin_with(key: str, make: Callable[[], object]) -> None:
    """Let moto keep what `make` does in an empty account. It is called once for each key."""
    if not _is_empty():
        make()
    elif key in _STATES:
        _put(_STATES[key])
    else:
        make()
        _STATES[key] = _take()


def _services() -> list[Any]:
    return list(BackendDict._instances)  # type: ignore[misc]


def _is_empty() -> bool:
    """Tell whether no service was called yet."""
    return not any(_services())


def _take() -> State:
    """Return a copy of all that moto keeps now."""
    places = [
        (backends, account, region)
        for backends in _services()
        for account, regions in backends.items()
        for region in regions
    ]
    kept = copy.deepcopy([backends[account][region] for backends, account, region in places])
    return State(places, kept)


def _put(state: State) -> None:
    """Let moto keep a copy of a state."""
    for (backends, account, region), kept in zip(
        state.places, copy.deepcopy(state.kept), strict=True
    ):
        backends[account][region] = kept
        if backends.service_name == "lambda":
            _find_functions_by_arn(kept._lambdas)


def _find_functions_by_arn(storage: Any) -> None:
    """Fill a dictionary of weak references, which a copy does not take over."""
    for function in storage.latest():
        storage._arns[function.function_arn] = function
