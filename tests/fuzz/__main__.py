"""`make fuzz`: hands very many broken messages, configurations, traces and imported files to their
readers, new ones each time.

Each is read, or refused as the reader promises. An example that takes longer than SECONDS, or more
memory than BYTES for all of the process, fails too. There are no credentials and there is no
embedded region, so a call to AWS would fail.
"""

import argparse
import json
import os
import re
import resource
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz import FUZZ_EXAMPLES

ROOT = Path(__file__).parents[2]
RESULTS, README = ROOT / "benchmarks" / "fuzz.json", ROOT / "README.md"
#: Of each property, without --examples.
EXAMPLES = 1_000
#: What all of the process may take.
BYTES = 2 << 30
#: The properties are there, and run without the tests of others.
PLACES = ("tests/fuzz", "tests/chalicelib/test_events.py", "tests/chalicelib/config")


class Counting:
    """Counts the examples that Hypothesis has played, from its own statistics."""

    def __init__(self) -> None:
        self.played: Counter[str] = Counter()

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Add the examples of a property."""
        found = re.findall(r"(\d+) passing\b", getattr(item, "hypothesis_statistics", ""))
        self.played.update({"properties": 1, "examples": sum(map(int, found))})


def readme_row(found: dict[str, Any]) -> str:
    """Return the row of README's table about tests."""
    return (
        "| broken messages, configurations, traces and imported files: read, or refused in words | "
        f"`{found['command']}` | {found['examples']:,} examples of {found['properties']} "
        "properties, no other error ([figures](benchmarks/fuzz.json)) |"
    )


def main() -> int:
    """Play the examples; return the exit status of pytest."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="of each property")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    os.environ[FUZZ_EXAMPLES] = str(options.examples)
    counting = Counting()
    status = int(pytest.main(["-n", "0", "-m", "fuzz", *PLACES], plugins=[counting]))
    sys.stdout.write(f"{counting.played['examples']:,} examples\n")
    if status == 0 and options.save:
        is_default = options.examples == EXAMPLES
        found = {
            "command": "make fuzz" if is_default else f"make fuzz EXAMPLES={options.examples}",
            **counting.played,
        }
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
        text = README.read_text()
        README.write_text(re.sub(r"\| broken messages, .*", lambda _: readme_row(found), text))
    return status


if __name__ == "__main__":
    sys.exit(main())
