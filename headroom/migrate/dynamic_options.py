"""What Dynamic DynamoDB's options mean: how each is read, its default, and which settings of ours
it becomes.

Read off its documentation and behaviour (2.5.1, 2018); where its code and its documentation differ,
the documentation holds.
"""

import ast
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from configparser import RawConfigParser
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chalicelib.config.mistakes import describe
from chalicelib.config.policy import SETTINGS, TABLE_QUOTA_UNITS, make_policy
from chalicelib.model import Dimension

#: One percent is the least at which something can be lowered, and what raises must lie above it.
LEAST_ALARM_PERCENT = 2


# what its values look like


def _text(value: str) -> str:
    if not value:
        raise ValueError("there is no value")
    return value


def _whole(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"expected a whole number, got {value!r}") from None


def positive(value: str) -> int:
    if _whole(value) < 1:
        raise ValueError(f"expected 1 or more, as Dynamic DynamoDB does, got {value}")
    return _whole(value)


def _number(value: str) -> float:
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found) or found < 1:
        raise ValueError(f"expected a number of 1 or more, got {value!r}")
    return found


def _switch(value: str) -> bool:
    found = RawConfigParser.BOOLEAN_STATES.get(value.lower())
    if found is None:
        raise ValueError(f"expected true or false, got {value!r}")
    return found


def _unit(value: str) -> str:
    if value not in ("percent", "units"):
        raise ValueError(f"expected percent or units, got {value!r}")
    return value


Rows = Sequence[tuple[float, int]]


def _scale(value: str) -> Rows:
    try:
        found = ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(_is_row(at, step) for at, step in found.items()):
        raise ValueError(
            f"expected a scale such as {{50: 10, 80: 30}}, percents and whole steps, got {value!r}"
        )
    if not any(found.values()):
        raise ValueError("no step in it is above 0, so that it would do nothing; leave it out")
    return sorted(found.items())


def _is_row(at: object, step: object) -> bool:
    numbers = all(
        isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) and n >= 0
        for n in (at, step)
    )
    return numbers and isinstance(step, int)


def _raising(value: str) -> Rows:
    rows = _scale(value)
    if dict(rows).get(0):
        raise ValueError(
            "a step at 0 would raise for ever; write the percentage from which on it is wanted"
        )
    return rows


NOTICES = {
    "scale-up": "scaled_up",
    "scale-down": "scaled_down",
    "high-throughput-alarm": "high_throughput",
    "low-throughput-alarm": "low_throughput",
}


def _notices(value: str) -> list[str]:
    given = [part.strip() for part in value.split(",") if part.strip()]
    wrong = [part for part in given if part not in NOTICES]
    if wrong:
        raise ValueError(
            f"there is no message type {', '.join(wrong)}; there are {', '.join(NOTICES)}"
        )
    return [NOTICES[part] for part in dict.fromkeys(given)]


SPAN = re.compile(r"(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)")


def _hours(value: str) -> str:
    found = [SPAN.fullmatch(part.strip()) for part in value.split(",")]
    if not all(found):
        raise ValueError(f"expected hours such as 22:00-23:59,00:00-06:00, got {value!r}")
    spans = (f"{int(m[1]):02}:{m[2]}-{int(m[3]):02}:{m[4]}" for m in found if m)
    return ",".join(span.replace("-23:59", "-24:00") for span in spans)


def _url(value: str) -> str:
    if "@" in value.removeprefix("http://").removeprefix("https://").split("/")[0]:
        raise ValueError(
            "a name and password in an address are not sent; let the breaker answer without "
            "them, then write it bare"
        )
    return value


# its options


@dataclass(frozen=True, slots=True)
class Option:
    """An option of its table and index sections: its name, its default, how it is read, and which
    settings it bears on."""

    name: str
    default: Any
    read: Callable[[str], Any]
    settings: tuple[str, ...]
    dimensions: tuple[Dimension, ...] = tuple(Dimension)


UP = ("increase_percent", "increase_units", "increase_steps")
DOWN = ("decrease_percent", "decrease_units")
DOWN_BY_UNIT = (*DOWN, "decrease_steps")
BY_PROVISIONED, BY_CONSUMED = ("throttled_provisioned_steps",), ("throttled_consumed_steps",)
APART: Sequence[tuple[str, Any, Callable[[str], Any], tuple[str, ...]]] = (
    ("enable-{reads}-autoscaling", True, _switch, ("scale_up", "scale_down")),
    ("enable-{reads}-up-scaling", True, _switch, ("scale_up",)),
    ("enable-{reads}-down-scaling", True, _switch, ("scale_down",)),
    ("{reads}-upper-threshold", 90.0, _number, ("alarm_percent",)),
    ("{reads}-lower-threshold", 30, positive, ("lower_percent",)),
    ("throttled-{reads}-upper-threshold", 0, _whole, ("throttled_events",)),
    ("increase-{reads}-with", 50, positive, UP),
    ("increase-{reads}-unit", "percent", _unit, UP),
    ("decrease-{reads}-with", 50, positive, DOWN),
    ("decrease-{reads}-unit", "percent", _unit, DOWN_BY_UNIT),
    ("increase-consumed-{reads}-unit", None, _unit, UP),
    ("increase-consumed-{reads}-with", None, positive, UP),
    ("increase-consumed-{reads}-scale", None, _raising, ("increase_steps", "alarm_percent")),
    ("increase-throttled-by-provisioned-{reads}-unit", None, _unit, BY_PROVISIONED),
    ("increase-throttled-by-provisioned-{reads}-scale", None, _scale, BY_PROVISIONED),
    ("increase-throttled-by-consumed-{reads}-unit", None, _unit, BY_CONSUMED),
    ("increase-throttled-by-consumed-{reads}-scale", None, _scale, BY_CONSUMED),
    ("decrease-consumed-{reads}-unit", None, _unit, DOWN_BY_UNIT),
    ("decrease-consumed-{reads}-with", None, positive, DOWN),
    ("decrease-consumed-{reads}-scale", None, _scale, ("decrease_steps", "lower_percent")),
    ("min-provisioned-{reads}", None, positive, ("min_units",)),
    ("max-provisioned-{reads}", None, positive, ("max_units",)),
    ("num-{read}-checks-before-scale-down", 1, positive, ("decrease_checks",)),
    ("num-{read}-checks-reset-percent", 0, _whole, ("check_reset_percent",)),
    ("allow-scaling-down-{reads}-on-0-percent", False, _switch, ("scale_down_at_zero",)),
    ("{reads}-upper-alarm-threshold", 0, _whole, ("notify_above_percent",)),
    ("{reads}-lower-alarm-threshold", 0, _whole, ("notify_below_percent",)),
)
BREAKER = (
    Option("circuit-breaker-url", "", _url, ("circuit_breaker_url",)),
    Option("circuit-breaker-timeout", 10_000.0, _number, ("circuit_breaker_seconds",)),
)
#: Every option of [table: …], [gsi: … table: …] and [default_options].
OPTIONS: Mapping[str, Option] = {
    option.name: option
    for option in (
        *(
            Option(
                name.format(reads=f"{dimension}s", read=dimension),
                default,
                reader,
                settings,
                (dimension,),
            )
            for dimension in Dimension
            for name, default, reader, settings in APART
        ),
        Option("always-decrease-rw-together", False, _switch, ("decrease_together",)),
        Option("lookback-window-start", None, positive, ("delay_minutes",)),
        Option("lookback-period", 5, positive, ("alarm_period_seconds",)),
        Option("maintenance-windows", "", _hours, ("windows",)),
        Option("sns-topic-arn", "", _text, ("notify_topic",)),
        Option("sns-message-types", (), _notices, ("notify",)),
        *BREAKER,
    )
}
KEYS_GO = (
    "not needed: the functions have roles of their own. Revoke this key, and take it "
    "out of every file"
)
LOGS_GO = "the functions log to CloudWatch Logs, one JSON line for each decision"
#: Every option of [global], and why it is obsolete; "" is translated.
GLOBAL: Mapping[str, str] = {
    "aws-access-key-id": KEYS_GO,
    "aws-secret-access-key-id": KEYS_GO,
    "region": (
        "Headroom runs in the Region that it is deployed to: AWS_DEFAULT_REGION={value} "
        "make deploy STAGE=…"
    ),
    "check-interval": (
        "an alarm wakes Headroom within minutes, and it sweeps every 5 minutes by itself"
    ),
    **{option.name: "" for option in BREAKER},
}
LOGGING: Mapping[str, str] = {
    "log-level": (
        'set "POWERTOOLS_LOG_LEVEL": "{level}" in the stage\'s '
        "environment_variables, in .chalice/config.json"
    ),
    "log-file": LOGS_GO,
    "log-config-file": LOGS_GO,
}
SECRETS = frozenset({"aws-access-key-id", "aws-secret-access-key-id"})
#: Its default, in seconds.
CHECK_INTERVAL = 300
HOMES: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(LOGGING, ("[logging]",)),
    **dict.fromkeys(OPTIONS, ("[default_options]", "[table: …]", "[gsi: … table: …]")),
    **dict.fromkeys(GLOBAL, ("[global]",)),
}
#: What a configuration of its calls for without saying so.
PRESET: Mapping[str, Any] = {"strategy": "percent"}


# settings, computed


@dataclass(frozen=True, slots=True)
class Given:
    """A value, and the line that gives it."""

    line: int
    value: Any


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of ours, and the options of theirs that it comes from, the one to blame first."""

    value: Any
    options: tuple[str, ...]


Settings = dict[str, Setting]


@dataclass
class DimensionOptions:
    """The options of one dimension of a section.

    The key is a pattern, such as `{reads}-upper-threshold`.
    """

    given: Mapping[str, Given]
    dimension: Dimension
    check_interval: int
    notes: list[tuple[str, str]] = field(default_factory=list)

    def name(self, pattern: str) -> str:
        return pattern.format(reads=f"{self.dimension}s", read=self.dimension)

    def __getitem__(self, pattern: str) -> Any:
        name = self.name(pattern)
        return self.given[name].value if name in self.given else OPTIONS[name].default

    def setting(self, value: Any, *patterns: str) -> Setting:
        return Setting(value, tuple(self.name(pattern) for pattern in patterns))

    def note(self, pattern: str, words: str) -> None:
        self.notes.append((self.name(pattern), words))


def settings_of(options: DimensionOptions) -> Settings:
    up = _up(options)
    parts = (
        _switches(options),
        up,
        _throttled(options),
        _down(options, up),
        _bounds(options),
        _timing(options),
        _shared(options),
    )
    return {key: setting for part in parts for key, setting in part.items()}


def _switches(options: DimensionOptions) -> Settings:
    whole = "enable-{reads}-autoscaling"
    return {
        setting: options.setting(options[whole] and options[switch], switch, whole)
        for setting, switch in (
            ("scale_up", "enable-{reads}-up-scaling"),
            ("scale_down", "enable-{reads}-down-scaling"),
        )
    }


def _up(options: DimensionOptions) -> Settings:
    """Return the step up and what calls for it: a threshold and a step, or a scale, which then
    decides alone."""
    plain = _step(
        options,
        options["increase-{reads}-unit"],
        options["increase-{reads}-with"],
        "increase",
        "increase-{reads}-with",
    )
    unit, scale = (
        options["increase-consumed-{reads}-unit"] or options["increase-{reads}-unit"],
        "increase-consumed-{reads}-scale",
    )
    threshold = "{reads}-upper-threshold"
    if options[scale]:
        steps = options.setting(_rows(options[scale], unit), scale)
        first = next(at for at, step in options[scale] if step)
        options.note(threshold, f"without effect, here as there: {options.name(scale)} decides")
        return {
            **plain,
            "increase_steps": steps,
            "alarm_percent": options.setting(_alarm(options, first, scale), scale),
        }
    amount = options["increase-consumed-{reads}-with"] or options["increase-{reads}-with"]
    own = _step(
        options, unit, amount, "increase", "increase-consumed-{reads}-with", "increase-{reads}-with"
    )
    level = options.setting(_alarm(options, options[threshold], threshold), threshold)
    if options["throttled-{reads}-upper-threshold"] and values_of(own) != values_of(plain):
        step = {"at": level.value, unit: amount}
        steps = options.setting(
            [step],
            "increase-consumed-{reads}-with",
            "increase-consumed-{reads}-unit",
            "increase-{reads}-with",
        )
        return {**plain, "alarm_percent": level, "increase_steps": steps}
    return {**own, "alarm_percent": level, "increase_steps": Setting([], ())}


def _alarm(options: DimensionOptions, percent: float, pattern: str) -> int:
    """Return the alarm's level: a whole percentage, rounded down, which is towards capacity."""
    level = max(math.floor(percent), LEAST_ALARM_PERCENT)
    if level != percent:
        options.note(
            pattern,
            (
                f"alarm_percent is a whole percentage from {LEAST_ALARM_PERCENT} on: {percent:g} "
                f"becomes {level}"
            ),
        )
    return level


def _step(options: DimensionOptions, unit: str, amount: int, way: str, *patterns: str) -> Settings:
    units, percent = (amount, 0) if unit == "units" else (0, amount)
    return {
        f"{way}_percent": options.setting(percent, *patterns),
        f"{way}_units": options.setting(units, *patterns),
    }


def _rows(rows: Rows, unit: str) -> list[dict[str, float]]:
    return [{"at": int(at) if at == int(at) else at, unit: step} for at, step in rows]


def _does(row: Mapping[str, float]) -> bool:
    return any(value for key, value in row.items() if key != "at")


def values_of(found: Settings) -> dict[str, Any]:
    return {key: setting.value for key, setting in found.items()}


def _throttled(options: DimensionOptions) -> Settings:
    count = "throttled-{reads}-upper-threshold"
    found = {"throttled_events": options.setting(options[count], count)}
    for what in ("provisioned", "consumed"):
        scale = f"increase-throttled-by-{what}-{{reads}}-scale"
        unit = (
            options[f"increase-throttled-by-{what}-{{reads}}-unit"]
            or options["increase-{reads}-unit"]
        )
        found[f"throttled_{what}_steps"] = options.setting(_rows(options[scale] or (), unit), scale)
    return found


def _down(options: DimensionOptions, up: Settings) -> Settings:
    """Return the step down and the level at or below which it is done: below all that raises, for
    an increase came first."""
    unit = options["decrease-consumed-{reads}-unit"] or options["decrease-{reads}-unit"]
    amount = options["decrease-consumed-{reads}-with"] or options["decrease-{reads}-with"]
    step = _step(
        options, unit, amount, "decrease", "decrease-consumed-{reads}-with", "decrease-{reads}-with"
    )
    scale, pattern = "decrease-consumed-{reads}-scale", "{reads}-lower-threshold"
    rows, level = options[scale], options[pattern]
    if rows:
        options.note(pattern, f"without effect, here as there: {options.name(scale)} decides")
        pattern, level = scale, math.ceil(max(at for at, amount in rows if amount))
    raises = min(
        [
            up["alarm_percent"].value,
            *(row["at"] for row in up["increase_steps"].value if _does(row)),
        ]
    )
    lower = min(level, math.ceil(raises) - 1)
    if lower != level:
        options.note(
            pattern, f"lower_percent lies below all that raises: {level:g} becomes {lower}"
        )
    found = {
        **step,
        "decrease_steps": options.setting(_rows(rows or (), unit), scale),
        "lower_percent": options.setting(lower, pattern),
    }
    return found if lower >= 1 else found | _nothing_to_lower(options, pattern)


def _nothing_to_lower(options: DimensionOptions, pattern: str) -> Settings:
    """Return what keeps everything as high as it is, where all but nothing raises it."""
    for given in ("increase-consumed-{reads}-scale", pattern):
        options.note(given, "what is raised at 1 % or less is never low: scale_down = false")
    return {
        "lower_percent": options.setting(0, pattern),
        "target_percent": options.setting(1, pattern),
        "scale_down": options.setting(False, pattern),
    }


def _bounds(options: DimensionOptions) -> Settings:
    least, most = "min-provisioned-{reads}", "max-provisioned-{reads}"
    units = options[least] or 1
    return {
        "min_units": options.setting(
            units, most, least
        ),  # where the two contradict each other, the maximum goes
        "max_units": options.setting(options[most] or max(TABLE_QUOTA_UNITS, units), most, least),
    }


def _timing(options: DimensionOptions) -> Settings:
    """Return what metrics are looked at, and how many low looks a decrease needs.

    Its checks looked every `check-interval` seconds at the last `lookback-period` minutes. So many
    checks that are low, one after the other, are low for (checks - 1) x interval + period; ours are
    so many periods.
    """
    period, start, checks = (
        options["lookback-period"],
        options["lookback-window-start"],
        "num-{read}-checks-before-scale-down",
    )
    low = math.ceil(((options[checks] - 1) * options.check_interval + period * 60) / (period * 60))
    if low != options[checks]:
        options.note(
            checks,
            (
                f"{low} periods of {period} min: its checks were {options.check_interval} "
                "seconds apart"
            ),
        )
    if start is not None and start > period:
        options.note(
            "lookback-window-start",
            "metrics come within two minutes today: the increases are quicker without it",
        )
    zero, reset = "allow-scaling-down-{reads}-on-0-percent", "num-{read}-checks-reset-percent"
    return {
        "alarm_period_seconds": options.setting(period * 60, "lookback-period"),
        "delay_minutes": options.setting(
            max(0, (start or period) - period), "lookback-window-start", "lookback-period"
        ),
        "decrease_checks": options.setting(low, checks, "lookback-period", "lookback-window-start"),
        "check_reset_percent": options.setting(options[reset], reset),
        "scale_down_at_zero": options.setting(options[zero], zero),
    }


def _shared(options: DimensionOptions) -> Settings:
    hours, timeout = options["maintenance-windows"], options["circuit-breaker-timeout"]
    return {
        "decrease_together": options.setting(
            options["always-decrease-rw-together"], "always-decrease-rw-together"
        ),
        "windows": options.setting(
            [{"rule": "never_down", "outside": hours}] if hours else [], "maintenance-windows"
        ),
        "circuit_breaker_url": options.setting(
            options["circuit-breaker-url"], "circuit-breaker-url"
        ),
        "circuit_breaker_seconds": options.setting(timeout / 1000, "circuit-breaker-timeout"),
        "notify_topic": options.setting(options["sns-topic-arn"], "sns-topic-arn"),
        "notify": options.setting(list(options["sns-message-types"]), "sns-message-types"),
        "notify_above_percent": options.setting(
            options["{reads}-upper-alarm-threshold"], "{reads}-upper-alarm-threshold"
        ),
        "notify_below_percent": options.setting(
            options["{reads}-lower-alarm-threshold"], "{reads}-lower-alarm-threshold"
        ),
    }


def problems(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with settings: which one, and why."""
    good: dict[str, Any] = {}
    for key, setting in settings.items():
        try:
            good[key] = msgspec.convert(setting.value, SETTINGS[key])
        except msgspec.ValidationError as error:
            yield key, f"{key}: {describe(error, setting.value, SETTINGS[key])[1]}"
    if len(good) == len(settings):
        for problem in make_policy(**PRESET, **good).problems():
            yield problem.split(":")[0], problem
