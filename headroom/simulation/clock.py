"""Simulated time: where it starts, and its units."""

from datetime import UTC, datetime

#: Minute 0 of a trace and of the embedded region: 00:00 UTC of a Monday.
START = datetime(2026, 11, 2, tzinfo=UTC)
#: Seconds in a minute.
MINUTE = 60
#: Minutes in an hour.
HOUR = 60
#: Minutes in a day.
DAY = 24 * HOUR
