"""The scenes that `headroom demo --scene NAME` plays: each a feature in the embedded region, from
the first event to the end.

A scene is a function of the console that it prints on. It makes its own region and deploys the real
app there.
"""

from collections.abc import Callable, Mapping

from rich.console import Console

from headroom.demo import backup, fleet, healing

SCENES: Mapping[str, Callable[[Console], None]] = {
    "fleet": fleet.play,
    "backup": backup.play,
    "healing": healing.play,
}
