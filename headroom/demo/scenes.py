"""The scenes of `headroom demo --scene NAME`. Each plays one feature in the embedded region.

A scene is a function of the console that it prints on. It creates its own region and deploys the
real app there.
"""

from collections.abc import Callable, Mapping

from rich.console import Console

from headroom.demo import backup, fleet, healing

SCENES: Mapping[str, Callable[[Console], None]] = {
    "fleet": fleet.play,
    "backup": backup.play,
    "healing": healing.play,
}
