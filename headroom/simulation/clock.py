"""Simulated time: where it starts, and its units."""

from datetime import UTC, datetime

START = datetime(2026, 11, 2, tzinfo=UTC)
"""Minute 0 of a trace and of the embedded region: 00:00 UTC of a Monday."""
MINUTE = 60
"""Seconds in a minute."""
HOUR = 60
"""Minutes in an hour."""
DAY = 24 * HOUR
"""Minutes in a day."""
