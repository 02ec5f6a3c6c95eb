"""Settings as items of a TOML document."""

from typing import Any

import tomlkit

OFF = {"scale_up": False, "scale_down": False}


def item(value: Any) -> Any:
    """Return a value as TOML; the rows of a list of tables stand on lines of their own."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return tomlkit.item(value)
    rows = tomlkit.array()
    for entry in value:
        row = tomlkit.inline_table()
        row.update(entry)
        rows.append(row)
    return rows.multiline(len(value) > 1)
