"""`make soak`: plays histories of faults, and compares replay and app on random configurations.

It plays a fixed number of batches, fewer with SEEDS=8, or with HOURS=1 as many as an hour allows.
Each batch has a seed of its own. A law that is broken ends the run with the shortest history that
breaks it.
"""

import argparse
import json
import logging
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings

from tests.soak.configurations import Case, cases
from tests.soak.history import History, histories
from tests.soak.laws import BrokenLawError
from tests.soak.play import play

ROOT = Path(__file__).parents[2]
RESULTS, README = ROOT / "benchmarks" / "soak.json", ROOT / "README.md"
#: Histories, and configurations, of one seed; and how many seeds are played without HOURS or SEEDS.
BATCH, CASES, SEEDS = 10, 2, 15
#: The largest histories.
MAX_HOURS, MAX_TABLES = 20, 5


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
    @given(histories(MAX_HOURS, MAX_TABLES))
    def batch(history: History) -> None:
        laws = play(history)
        played.update(
            {
                "histories": 1,
                "table_hours": round(history.table_hours),
                "table_hours_of_the_cheapest_mode": round(history.minutes / 60)
                if history.past
                else 0,
                "checks": laws.checks,
                **Counter(f"event {type(event).__name__}" for event in history.events),
            }
        )

    @seed(number)
    @settings(by_seed, max_examples=CASES)
    @given(cases())
    def equivalence(case: Case) -> None:
        try:
            case.compare()
        except AssertionError as error:
            raise BrokenLawError(f"replay and app differ: {error}\n{case}") from error
        played.update({"configurations": 1})

    logging.disable(logging.CRITICAL)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        batch()
        equivalence()
    return played


def rounds(first: int, number: int, hours: float) -> Iterator[range]:
    """Yield the seeds to play at a time: `number` of them, or some until the time is over."""
    if not hours:
        yield range(first, first + number)
        return
    until, some = time.monotonic() + hours * 3600, 2 * (os.cpu_count() or 1)
    while time.monotonic() < until:
        yield range(first, first + some)
        first += some


def play_all(first: int, number: int, hours: float) -> Counter[str]:
    """Play all rounds, each on every processor. Raises BrokenLawError."""
    total: Counter[str] = Counter()
    with ProcessPoolExecutor() as pool:
        for seeds in rounds(first, number, hours):
            for number, played in zip(seeds, pool.map(play_batch, seeds), strict=True):
                total += played
                total["seeds"] += 1
                days = total["table_hours"] / 24
                sys.stderr.write(f"seed {number}: none is broken in {days:.0f} table-days\n")
    return total


def figures(total: Counter[str], command: str, first: int) -> dict[str, object]:
    """Return what is saved of a run without a broken law."""
    return {
        "command": command,
        "first_seed": first,
        "seeds": total["seeds"],
        "histories": total["histories"],
        "table_days": round(total["table_hours"] / 24, 1),
        "table_days_of_the_cheapest_mode": round(total["table_hours_of_the_cheapest_mode"] / 24, 1),
        "checks": total["checks"],
        "configurations": total["configurations"],
        "violations": 0,
        "events": {
            name.removeprefix("event "): number
            for name, number in sorted(total.items())
            if name.startswith("event ")
        },
    }


def readme_rows(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the rows of README's table about tests, by how each begins."""
    faults, agreement = "| random faults, ", "| replay and deployed app agree "
    command, figures_of = f"`{found['command']}`", "([figures](benchmarks/soak.json)) |"
    return {
        faults: f"{faults}judged by the laws of the design | {command} | "
        f"{found['table_days']:.0f} table-days, {found['checks']:,} checks, none broken "
        f"{figures_of}",
        agreement: f"{agreement}in every minute | {command} | "
        f"{found['configurations']} random configurations, no difference {figures_of}",
    }


def main() -> int:
    """Play the fixed batches, or batches until the time is over; return the exit status."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=0.0, help="play until they are over")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many, without --hours")
    parser.add_argument("--seed", type=int, default=0, help="the first batch's")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    try:
        total = play_all(options.seed, options.seeds, options.hours)
    except BrokenLawError as error:
        sys.stdout.write(f"A law is broken. The shortest history found:\n{error}\n")
        return 1
    command = "make soak"
    if options.hours:
        command += f" HOURS={options.hours:g}"
    elif options.seeds != SEEDS:
        command += f" SEEDS={options.seeds}"
    found = figures(total, command, options.seed)
    sys.stdout.write(
        f"{found['histories']} histories, {found['table_days']} table-days, "
        f"{found['checks']:,} checks of the laws: none is broken. Replay and app agree on "
        f"{found['configurations']} random configurations.\n"
    )
    if options.save:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
        text = README.read_text()
        for beginning, row in readme_rows(found).items():
            text = re.sub(rf"{re.escape(beginning)}.*", lambda _, row=row: row, text)
        README.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
