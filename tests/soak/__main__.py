"""`make soak HOURS=1`: plays histories of faults and compares replay and app, for so long.

Each batch has a seed of its own. A law that is broken ends the run with the shortest history that
breaks it.
"""

import argparse
import json
import logging
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings

from tests.soak.configurations import Case, cases
from tests.soak.history import History, histories
from tests.soak.laws import BrokenLawError
from tests.soak.play import play
from tests.support.equivalence import compare

RESULTS = Path(__file__).parents[2] / "benchmarks" / "soak.json"
#: Histories, and configurations, of one seed.
BATCH, CASES = 10, 5


def play_batch(number: int) -> Counter[str]:
    """Play the histories of one seed; return how much was played. Raises BrokenLawError."""
    played: Counter[str] = Counter()
    by_seed = settings(
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )

    @seed(number)
    @settings(by_seed, max_examples=BATCH)
    @given(histories())
    def batch(history: History) -> None:
        laws = play(history)
        played.update(
            {
                "histories": 1,
                "table_hours": round(history.table_hours),
                "checks": laws.checks,
                **Counter(f"event {type(event).__name__}" for event in history.events),
            }
        )

    @seed(number)
    @settings(by_seed, max_examples=CASES)
    @given(cases())
    def equivalence(case: Case) -> None:
        try:
            compare(case.demand(), case.config, case.conditions, case.start, case.hot_keys())
        except AssertionError as error:
            raise BrokenLawError(f"replay and app differ: {error}\n{case}") from error
        played.update({"configurations": 1})

    logging.disable(logging.CRITICAL)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        batch()
        equivalence()
    return played


def main() -> int:
    """Play batches until the time is over; return the exit status."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=0.03)
    parser.add_argument("--seed", type=int, default=0, help="the first batch's")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    total: Counter[str] = Counter()
    until = time.monotonic() + options.hours * 3600
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers) as pool:
        for first in count(options.seed, workers):
            if time.monotonic() > until:
                break
            try:
                for played in pool.map(play_batch, range(first, first + workers)):
                    total += played
            except BrokenLawError as error:
                sys.stdout.write(
                    f"A law is broken. The shortest history found, of seed {first} or next:\n"
                )
                sys.stdout.write(f"{error}\n")
                return 1
    days = total["table_hours"] / 24
    sys.stdout.write(
        f"{total['histories']} histories, {days:.0f} table-days, {total['checks']:,} checks of the "
        "laws: none is broken. Replay and app agree on "
        f"{total['configurations']} random configurations.\n"
    )
    if options.save:
        events = {
            k.removeprefix("event "): v for k, v in sorted(total.items()) if k.startswith("event ")
        }
        figures = {
            "command": f"make soak HOURS={options.hours:g}",
            "first_seed": options.seed,
            "histories": total["histories"],
            "table_days": round(days, 1),
            "checks": total["checks"],
            "configurations": total["configurations"],
            "violations": 0,
            "events": events,
        }
        RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
