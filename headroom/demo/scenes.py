"""The scenes of `headroom demo --scene NAME`. Each plays one feature in the embedded region.

A scene's module has a function `play` of the console that it prints on. It creates its own region
and deploys the real app there. A module is imported when its scene is played.
"""

from importlib import import_module

from rich.console import Console

SCENES = ("fleet", "backup", "healing")


def play(name: str, console: Console) -> None:
    import_module(f"headroom.demo.{name}").play(console)
