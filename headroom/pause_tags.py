"""The words of an operator about a pause, and its tag: the end, the length, the tables and the
reason."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from functools import partial
from zoneinfo import ZoneInfo

from chalicelib.aws.client import Aws, AwsError
from chalicelib.config import windows
from chalicelib.config.mistakes import nearest
from chalicelib.core.pause_tag import KEY, PauseTag
from chalicelib.model import TableState
from headroom.operator_error import OperatorError

CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
SPAN = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?")
#: Source: Amazon DynamoDB API Reference, API_Tag, Value, read 2026-11.
TAG_CHARACTERS = 256
#: What a tag cannot hold: anything but letters, white space, numbers and + - = . _ : /. Source:
#: Amazon DynamoDB Developer Guide, "Tagging restrictions in DynamoDB", read 2026-11.
NO_TAG = re.compile(r"[^\w\s+\-=.:/]")
#: TagResource and UntagResource: calls a second and account. Source: API_TagResource (DynamoDB),
#: read 2026-11.
CALLS_A_SECOND = 5


class PauseError(OperatorError):
    """The operator's words cannot be meant; the message says what is wrong and what to write."""


# what the operator says


def zone(name: str | None) -> ZoneInfo | None:
    """Return a time zone by name, None for the one of this machine."""
    try:
        return windows.zone(name) if name else None
    except ValueError as error:
        raise PauseError(str(error)) from None


def until(text: str, now: datetime, local: ZoneInfo | None) -> datetime:
    """Return the end of a pause, in UTC: HH:MM is the next such time of the wall clock, anything
    else a date and time.

    local: where a time without a zone is meant, None for this machine's zone.
    """
    match = CLOCK.fullmatch(text)
    end = _next(time(int(match[1]), int(match[2])), now, local) if match else _moment(text, local)
    if end <= now:
        raise PauseError(
            f"--until {text}: this is over; it is {now.astimezone(local):%Y-%m-%d %H:%M %Z} now"
        )
    return end


def after(text: str, now: datetime) -> datetime:
    """Return the end of a pause that lasts 90m, 2h, 1d or 1d12h, in UTC."""
    match = SPAN.fullmatch(text)
    days, hours, minutes = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    lasts = timedelta(days=days, hours=hours, minutes=minutes)
    if not lasts:
        raise PauseError(f"--for {text}: expected a time such as 90m, 2h, 1d or 1d12h")
    return (now + lasts).astimezone(UTC)


def tag(paused: PauseTag) -> str:
    """Return the tag's value. Raises PauseError where a tag cannot hold it."""
    value, bad = str(paused), NO_TAG.search(paused.why)
    if bad:
        raise PauseError(
            f"--reason: a tag cannot hold {bad[0]!r}; "
            "use letters, numbers, spaces and + - = . _ : /"
        )
    if len(value) > TAG_CHARACTERS:
        raise PauseError(f"--reason: {len(value) - TAG_CHARACTERS} characters too long for a tag")
    return value


def shown(moment: datetime, local: ZoneInfo | None = None) -> str:
    """Return a time in the operator's zone, and in UTC where that says something else."""
    there, utc = f"{moment.astimezone(local):%Y-%m-%d %H:%M %Z}", f"{moment:%H:%M} UTC"
    return there if there.endswith(utc) else f"{there} ({utc})"


def matching(patterns: Iterable[str], names: Sequence[str]) -> list[str]:
    """Return the tables that the names and globs mean. Raises PauseError where one of them means
    none."""
    found: dict[str, None] = {}
    for pattern in patterns:
        meant = [name for name in names if fnmatchcase(name, pattern)]
        if not meant:
            raise PauseError(
                f"no table of this account and Region is called {pattern}, or matches it"
                f"{nearest(pattern, names)}"
            )
        found |= dict.fromkeys(meant)
    return list(found)


def _next(clock: time, now: datetime, local: ZoneInfo | None) -> datetime:
    today = now.astimezone(local).date()
    days = [
        today + timedelta(days=ahead) for ahead in (0, 1, 2)
    ]  # a wall clock may skip a time of one day
    found = [at for day in days for at in _instants(day, clock, local)]
    return min(at for at in found if at > now)


def _instants(day: date, clock: time, local: ZoneInfo | None) -> Iterator[datetime]:
    """Yield when the wall clock shows a time of a day: twice on the day on which it is set back,
    never where it skips it."""
    for fold in (0, 1):
        wall = datetime.combine(day, clock).replace(fold=fold)
        at = _placed(wall, local)
        if at.astimezone(local).replace(tzinfo=None, fold=0) == wall.replace(fold=0):
            yield at


def _moment(text: str, local: ZoneInfo | None) -> datetime:
    try:
        end = datetime.fromisoformat(text)
        return end.astimezone(UTC) if end.tzinfo else _placed(end, local)
    except (ValueError, OverflowError):
        raise PauseError(
            f"--until {text}: expected a time such as 06:00, "
            "or a date and time such as 2026-11-21T06:00"
        ) from None


def _placed(wall: datetime, local: ZoneInfo | None) -> datetime:
    return (wall.replace(tzinfo=local) if local else wall).astimezone(
        UTC
    )  # without a zone it is this machine's


# what is done about it


def pause(
    aws: Aws, tables: Iterable[TableState], value: str
) -> Iterator[tuple[str, Exception | None]]:
    """Write the tag of each table, and yield its name, with the error where AWS gave one."""
    tags = [{"Key": KEY, "Value": value}]
    return _paced(aws, tables, partial(aws.client("dynamodb").tag_resource, Tags=tags))


def resume(aws: Aws, tables: Iterable[TableState]) -> Iterator[tuple[str, Exception | None]]:
    """Remove the tag of each table, which may have none, and yield its name, with the error where
    AWS gave one."""
    return _paced(aws, tables, partial(aws.client("dynamodb").untag_resource, TagKeys=[KEY]))


def _paced(
    aws: Aws, tables: Iterable[TableState], write: Callable[..., object]
) -> Iterator[tuple[str, Exception | None]]:
    for count, table in enumerate(tables):
        if count and count % CALLS_A_SECOND == 0:
            aws.sleep(1)
        try:
            write(ResourceArn=table.arn)
        except AwsError as error:
            yield table.name, error
        else:
            yield table.name, None
