"""`make mutants`: how many changes to the engine's pure code the unit tests notice, by module."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS, README = ROOT / "benchmarks" / "mutants.json", ROOT / "README.md"
LINE = re.compile(r"\s*(?P<module>[\w.]+)\.(?P<mutant>x\w*): (?P<outcome>[\w ]+)")
#: What a mutant may come to that a test noticed.
KILLED = ("killed", "timeout", "caught by type check")


def outcomes(text: str) -> dict[str, dict[str, str]]:
    """Return what became of each mutant, by module, from what `mutmut results` prints."""
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if match and match["outcome"] != "not checked":
            found.setdefault(match["module"], {})[match["mutant"]] = match["outcome"]
    return found


def row(mutants: dict[str, str]) -> dict[str, object]:
    """Return a module's figures, and the mutants that no test noticed."""
    counts = Counter(outcome in KILLED for outcome in mutants.values())
    return {
        "mutants": len(mutants),
        "killed": counts[True],
        "percent": round(100 * counts[True] / len(mutants), 1),
        "survivors": sorted(name for name, outcome in mutants.items() if outcome not in KILLED),
    }


def readme_row(rows: Mapping[str, Any]) -> str:
    """Return the row of README's table about tests."""
    mutants, killed = (sum(row[key] for row in rows.values()) for key in ("mutants", "killed"))
    return (
        f"| changes to the code that a unit test notices | `make mutants` | {killed:,} of "
        f"{mutants:,} in the core ({killed / mutants:.1%}; [figures](benchmarks/mutants.json)) |"
    )


def main() -> int:
    """Print the figures and write them."""
    mutmut = [Path(sys.executable).with_name("mutmut"), "results", "--all", "true"]
    text = subprocess.run(mutmut, check=True, capture_output=True, text=True).stdout
    rows = {module: row(mutants) for module, mutants in sorted(outcomes(text).items())}
    for module, figures in rows.items():
        sys.stdout.write(
            f"{module}: {figures['killed']} of {figures['mutants']} killed, "
            f"{figures['percent']} %\n"
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    text = README.read_text()
    README.write_text(re.sub(r"\| changes to the code .*", lambda _: readme_row(rows), text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
