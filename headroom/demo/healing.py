"""A group of instances for two hours: one instance fails, then a second one, then one on standby,
and at last a whole zone."""

from collections.abc import Sequence

from rich.console import Console

from headroom.demo.narrator import Narrator
from headroom.region.autoscaling_groups import SYSTEM
from headroom.region.context import Invocation
from headroom.region.region import Region

CONFIG = """
[[healing]]
group = "web"
action = "replace"
max_instances = 2
max_percent = 20        # of eight instances, one
within_minutes = 30
cooldown_minutes = 5
"""
SIZE = 8
ZONES = ("us-east-1a", "us-east-1b")
#: The minute of the first failure. The second comes as many minutes later.
FIRST_FAILURE = 10


def play(console: Console) -> None:
    """Play the four failures, and print the state of the group at the end."""
    with Region(Region().start.replace(hour=9)) as region:
        ids = region.groups.create("web", SIZE, ZONES)
        region.deploy(CONFIG)
        replaced_at: dict[str, int] = {}

        def record(invocation: Invocation) -> None:
            for line in invocation.logs:
                if line.get("kind") == "verdict" and line["action"] == "replace":
                    replaced_at[line["instance"]] = region.minute

        region.functions.watchers.append(record)
        console.print(
            f"Group web: {SIZE} instances in {len(ZONES)} zones. "
            "One may be replaced within half an hour."
        )
        narrator = Narrator(console, region)
        _play_single_failures(region, narrator, ids)
        before = set(region.groups.members("web"))
        _play_outage(region, narrator, ids[2])
        counts = {"replaced": len(replaced_at)}
        for name, minute in replaced_at.items():
            failed_at = FIRST_FAILURE * (1 + ids.index(name))
            counts[f"minutes until {name} was marked"] = minute - failed_at
        counts["instances lost to the outage"] = len(before - set(region.groups.members("web")))
        counts["events lost"] = len(region.functions.dead_letters)
        narrator.print_results([{"what": what, "count": count} for what, count in counts.items()])


def _play_single_failures(region: Region, narrator: Narrator, ids: Sequence[str]) -> None:
    first, second, third, *_ = ids
    region.run(FIRST_FAILURE)
    region.groups.fail_checks(first)
    narrator.say(f"The status check of {first} fails.", FIRST_FAILURE)
    region.groups.fail_checks(second)
    narrator.say(f"The status check of {second} fails in the same half hour. It has to wait.", 35)
    region.client("autoscaling").enter_standby(
        AutoScalingGroupName="web", InstanceIds=[third], ShouldDecrementDesiredCapacity=True
    )
    region.groups.fail_checks(third)
    narrator.say(
        f"An operator puts {third} on standby, and its status check fails. "
        "Headroom leaves it alone.",
        20,
    )


def _play_outage(region: Region, narrator: Narrator, standby: str) -> None:
    groups = region.groups
    members = [instance for instance in groups.members("web") if instance != standby]
    zone = [instance for instance in members if groups.zones[instance] == ZONES[0]]
    groups.fail_checks(*zone, check=SYSTEM)
    narrator.say(
        f"The zone {ZONES[0]} fails, and with it {len(zone)} instances. "
        "In an outage Headroom removes no instance.",
        20,
    )
    groups.pass_checks(*zone)
    narrator.say("The zone works again, and so do its instances.", 10)
