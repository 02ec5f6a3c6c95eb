"""Each mistake in the configuration is reported with its path, in the words of the file."""

import pytest

from chalicelib.config.backtracking import FOR_EVER
from tests.support.builders import problems

LEAST = '[[tables]]\nname = "orders-*"\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            "[defaults]\nmin_unit = 1",
            "defaults.min_unit: unknown key; did you mean min_units?",
            id="a misspelt setting",
        ),
        pytest.param(
            "[default]\n", "default: unknown key; did you mean defaults?", id="a misspelt table"
        ),
        pytest.param(
            "[[table]]\n", "table: unknown key; did you mean tables?", id="a misspelt array"
        ),
        pytest.param(
            "fan_out = 3",
            "fan_out: expected a table, { workers = …, … }, got 3",
            id="fan-out that is no table",
        ),
        pytest.param(
            "[fan_out]\n",
            "fan_out.workers: missing; it must be a whole number from 2 to 1000",
            id="fan-out without workers",
        ),
        pytest.param(
            "[fan_out]\nworkers = 1",
            "fan_out.workers: expected a whole number from 2 to 1000, got 1",
            id="fewer workers than Lambda takes",
        ),
        pytest.param(
            "[defaults]\ncolour = 1", "defaults.colour: unknown key", id="a key with no likeness"
        ),
        pytest.param(
            "[defaults]\nname = 'x'", "defaults.name: unknown key", id="a name where none belongs"
        ),
        pytest.param(
            "[defaults.read]\nread = 1",
            "defaults.read.read: unknown key",
            id="a dimension within a dimension",
        ),
        pytest.param(
            f"{LEAST}[tables.reads]\n",
            "tables[0].reads: unknown key; did you mean read?",
            id="a misspelt dimension",
        ),
        pytest.param(
            f"{LEAST}[[tables.indices]]\n",
            "tables[0].indices: unknown key; did you mean indexes?",
            id="a misspelt index list",
        ),
        pytest.param(
            f"{LEAST}[[tables.indexes]]\nname = 'x'\n[[tables.indexes.indexes]]\nname = 'y'",
            "tables[0].indexes[0].indexes: unknown key",
            id="indexes within an index",
        ),
        pytest.param(
            "[defaults]\nmin_units = 0",
            "defaults.min_units: expected a whole number from 1 to 1000000, got 0",
            id="below the range",
        ),
        pytest.param(
            "[defaults]\nmax_units = 1_000_001",
            "defaults.max_units: expected a whole number from 1 to 1000000, got 1000001",
            id="above the range",
        ),
        pytest.param(
            "[defaults]\nalarm_percent = 101",
            "defaults.alarm_percent: expected a whole number from 1 to 100, got 101",
            id="percent",
        ),
        pytest.param(
            "[defaults]\nmin_units = 1.5",
            "defaults.min_units: expected a whole number from 1 to 1000000, got 1.5",
            id="a fraction",
        ),
        pytest.param(
            "[defaults]\nmin_units = '5'",
            'defaults.min_units: expected a whole number from 1 to 1000000, got "5"; write '
            "it without quotation marks",
            id="a text",
        ),
        pytest.param(
            "[defaults]\nmin_units = true",
            "defaults.min_units: expected a whole number from 1 to 1000000, got true",
            id="a truth",
        ),
        pytest.param(
            "[defaults]\ndry_run = 1",
            "defaults.dry_run: expected true or false, got 1",
            id="no truth",
        ),
        pytest.param(
            "[defaults]\nalarm_period_seconds = 90",
            "defaults.alarm_period_seconds: expected a whole number from 60 to 3600 in steps "
            "of 60, got 90",
            id="half minutes",
        ),
        pytest.param(
            "[defaults]\nstrategy = 'adaptve'",
            'defaults.strategy: expected one of adaptive, percent, fleet, got "adaptve"; did '
            "you mean adaptive?",
            id="an unknown strategy",
        ),
        pytest.param(
            "defaults = 5",
            "defaults: expected a table, write [defaults], got 5",
            id="defaults that are no table",
        ),
        pytest.param(
            "tables = 5",
            "tables: expected an array of tables, write [[tables]], got 5",
            id="tables that are no array",
        ),
        pytest.param(
            "[tables]\nname = 'orders'",
            "tables: expected an array of tables, write [[tables]], got {'name': 'orders'}",
            id="single brackets",
        ),
        pytest.param(
            "tables = [1]",
            "tables: expected an array of tables, write [[tables]], got [1]",
            id="an array of numbers",
        ),
        pytest.param(
            f"{LEAST}read = 5",
            "tables[0].read: expected a table, write [read], got 5",
            id="a dimension that is no table",
        ),
        pytest.param(
            f"{LEAST}indexes = 5",
            "tables[0].indexes: expected an array of tables, write [[indexes]], got 5",
            id="indexes that are no array",
        ),
        pytest.param(
            "[[tables]]\n",
            "tables[0].name: give either name (exact or glob) or regex, and only one of them",
            id="neither name nor regex",
        ),
        pytest.param(
            f"{LEAST}regex = 'x'",
            "tables[0].name: give either name (exact or glob) or regex, and only one of them",
            id="both name and regex",
        ),
        pytest.param(
            f"{LEAST}[[tables.indexes]]\n",
            "tables[0].indexes[0].name: give either name (exact or glob) or regex, and only "
            "one of them",
            id="an index rule without name",
        ),
        pytest.param(
            "[[tables]]\nname = ''",
            "tables[0].name: expected a text that is not empty, got ''",
            id="an empty name",
        ),
        pytest.param(
            "[[tables]]\nname = 5",
            "tables[0].name: expected a text that is not empty, got 5",
            id="a number as name",
        ),
        pytest.param(
            "[[tables]]\nregex = '('",
            "tables[0].regex: not a regular expression: missing ), unterminated subpattern "
            "at position 0",
            id="a regex that is none",
        ),
        pytest.param(
            "[[tables]]\nname = 'a'\n[[tables.indexes]]\nregex = '(a+)+$'",
            f"tables[0].indexes[0].regex: {FOR_EVER}",
            id="a regex that takes for ever",
        ),
    ],
)
def test_each_mistake_is_reported_with_its_path(text: str, problem: str) -> None:
    assert problems(text) == [problem]


HOLD = "rule = 'hold', between = '09:00-17:00'"
RULES = "one of never_down, only_down, hold, floor"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param(
            f"windows = {{ {HOLD} }}",
            "windows: expected a list of tables, [{ rule = …, … }], got a table; "
            "put it in brackets, or write [[…]] instead of […] above it",
            id="one window without its brackets",
        ),
        pytest.param(
            "windows = ['09:00-17:00']",
            'windows[0]: expected a table, { rule = …, … }, got "09:00-17:00"',
            id="a window that is a text",
        ),
        pytest.param(
            f"windows = [{{ {HOLD}, timezone = 'UTC' }}]",
            "windows[0].timezone: unknown key; did you mean time_zone?",
            id="a misspelt key of a window",
        ),
        pytest.param(
            "windows = [{ between = '09:00-17:00' }]",
            f"windows[0].rule: missing; it must be {RULES}",
            id="no rule",
        ),
        pytest.param(
            "windows = [{ rule = 'never-down', between = '09:00-17:00' }]",
            f'windows[0].rule: expected {RULES}, got "never-down"; did you mean never_down?',
            id="a misspelt rule",
        ),
        pytest.param(
            f"windows = [{{ {HOLD}, days = ['mon'] }}]",
            'windows[0].days: expected a text, got ["mon"]',
            id="days",
        ),
        pytest.param(
            "notify = 'scaled_up'",
            'notify: expected a list, got "scaled_up"; write ["scaled_up"]',
            id="no list",
        ),
        pytest.param(
            "notify_topic = 'capacity'",
            "notify_topic: expected a text such as "
            "arn:aws:sns:us-east-1:123456789012:capacity (no FIFO topic)",
            id="a topic's name",
        ),
        pytest.param(
            "notify_slack = 'https://hooks.slack.com/services/SECRET'",
            "notify_slack: expected a text such as secretsmanager:headroom/slack or "
            "ssm:/headroom/slack, where the URL is kept",
            id="a webhook, which is not repeated",
        ),
        pytest.param(
            "notify_topic = 5",
            "notify_topic: expected a text such as "
            "arn:aws:sns:us-east-1:123456789012:capacity (no FIFO topic), got 5",
            id="no text",
        ),
        pytest.param(
            "circuit_breaker_seconds = 60",
            "circuit_breaker_seconds: expected a number above 0 to 30, got 60",
            id="too long",
        ),
        pytest.param(
            "reserve_decreases = [{ at = '02:00', count = 5 }]",
            "reserve_decreases[0].count: expected a whole number from 1 to 4, got 5",
            id="within an entry",
        ),
        pytest.param(
            "min_units = 2026-11-20",
            'min_units: expected a whole number from 1 to 1000000, got "2026-11-20"',
            id="a day",
        ),
        pytest.param(
            "[[fleet]]\nname = 'web'\nauto_scaling_group = 'web'\ntables = [{ table = 'x', "
            "read = { ladder = [[1, 5], [4]] } }]",
            "fleet[0].tables[0].read.ladder[1]: expected a list of 2, got [4]",
            id="half a pair",
        ),
        pytest.param(
            "[[fleet]]\nname = 'web'\ntags = { Role = 5 }\ntables = [{ table = 'x', read = { "
            "linear = 1 } }]",
            "fleet[0].tags[...]: expected a text, got 5",
            id="a value of a table of any keys",
        ),
    ],
)
def test_a_mistake_is_reported_in_the_words_of_the_file(line: str, problem: str) -> None:
    where = "" if line.startswith("[[") else "tables[0]."
    assert problems(LEAST + line) == [f"{where}{problem}"]
