"""Two hours of a group of instances: one falls sick, one too many, one that is set aside, and at
last a whole zone."""

from rich.console import Console

from headroom.demo.narrator import Teller
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


class Log:
    """What was healed, and how soon."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self.sick_since: dict[str, int] = {}
        self.waited: dict[str, int] = {}
        region.functions.watchers.append(self._hear)

    def fail_checks(self, *instances: str, check: str = "instance") -> None:
        self._region.groups.fail_checks(*instances, check=check)
        self.sick_since |= dict.fromkeys(instances, self._region.minute)

    def _hear(self, invocation: Invocation) -> None:
        healed = [
            line
            for line in invocation.logs
            if line.get("kind") == "verdict" and line["action"] == "replace"
        ]
        for line in healed:
            self.waited[line["instance"]] = self._region.minute - self.sick_since[line["instance"]]


def play(console: Console) -> None:
    """Play the four of them, and say what the group looks like at the end."""
    with Region(Region().start.replace(hour=9)) as region:
        teller, groups = Teller(console, region), region.groups
        ids = groups.create("web", SIZE, ZONES)
        region.deploy(CONFIG)
        log = Log(region)
        console.print(
            f"Group web: {SIZE} instances in {len(ZONES)} zones. One may be replaced within half an hour."
        )
        with teller.listening():
            region.run(10)
            teller.say(f"{ids[0]} does not answer its status check any more")
            log.fail_checks(ids[0])
            region.run(10)
            teller.say(
                f"{ids[1]} falls sick, too, within the same half hour: it has to wait, and is not forgotten"
            )
            log.fail_checks(ids[1])
            region.run(35)
            teller.say(
                f"an operator sets {ids[2]} aside, and it falls sick in standby: it is his, and calls nobody"
            )
            region.client("autoscaling").enter_standby(
                AutoScalingGroupName="web",
                InstanceIds=[ids[2]],
                ShouldDecrementDesiredCapacity=True,
            )
            groups.fail_checks(ids[2])
            region.run(20)
            zone = [
                instance
                for instance in groups.members("web")
                if groups.zones[instance] == ZONES[0] and instance != ids[2]
            ]
            before = set(groups.members("web"))
            teller.say(
                f"the zone {ZONES[0]} fails, and {len(zone)} instances with it: an outage is no reason to kill the fleet"
            )
            groups.fail_checks(*zone, check=SYSTEM)
            region.run(20)
            groups.pass_checks(*zone)
            teller.say("the zone is back, and so are they")
            region.run(10)
        _numbers(teller, region, log, before)


def _numbers(teller: Teller, region: Region, log: Log, before: set[str]) -> None:
    """Tell what it came to. before: the members before the outage."""
    lost = before - set(region.groups.members("web"))
    waited = [
        {"what": f"minutes until {name} was marked", "count": minutes}
        for name, minutes in log.waited.items()
    ]
    teller.numbers(
        "What it came to",
        [
            {"what": "replaced", "count": len(waited)},
            *waited,
            {"what": "instances lost to the outage", "count": len(lost)},
            {"what": "events lost", "count": len(region.functions.dead_letters)},
        ],
    )
