"""Instances of the embedded region, which EC2 and Auto Scaling start and end, with their events.

moto keeps them, but puts no event on EventBridge; that part is here. An instance needs no time to
start or to end.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from headroom.region import moto_store
from headroom.region.context import ACCOUNT, Invocation
from headroom.region.region import Region

STATE_CHANGE = "EC2 Instance State-change Notification"
#: Source: Amazon EC2 User Guide, "State change events for your instances"; Amazon EC2 Auto Scaling
#: User Guide, "Event reference"; read 2026-11.
LAUNCHED, TERMINATED = "EC2 Instance Launch Successful", "EC2 Instance Terminate Successful"


class Ec2:
    """The instances of a region. What its methods return is what the events came to."""

    def __init__(self, region: Region) -> None:
        self._region = region

    @property
    def _client(self) -> Any:
        return self._region.client("ec2")

    def launch(self, count: int, tags: Mapping[str, str]) -> list[str]:
        """Run instances, all in one reservation, and return their ids."""
        reservation = self._client.run_instances(
            ImageId=moto_store.image(self._region.name),
            MinCount=count,
            MaxCount=count,
            TagSpecifications=[{"ResourceType": "instance", "Tags": moto_store.tag_list(tags)}],
        )
        ids = [str(instance["InstanceId"]) for instance in reservation["Instances"]]
        self.send_state_changes(ids, "pending", "running")
        return ids

    def stop(self, ids: Sequence[str]) -> list[Invocation]:
        self._client.stop_instances(InstanceIds=list(ids))
        return self.send_state_changes(ids, "stopping", "stopped")

    def start(self, ids: Sequence[str]) -> list[Invocation]:
        self._client.start_instances(InstanceIds=list(ids))
        return self.send_state_changes(ids, "pending", "running")

    def terminate(self, ids: Sequence[str]) -> list[Invocation]:
        self._client.terminate_instances(InstanceIds=list(ids))
        return self.send_state_changes(ids, "shutting-down", "terminated")

    def send_state_changes(self, ids: Sequence[str], *states: str) -> list[Invocation]:
        """Put an event on EventBridge for each state of each instance."""
        invocations = []
        for state in states:
            for name in ids:
                invocations += self._region.functions.put_event(
                    "aws.ec2",
                    STATE_CHANGE,
                    {"instance-id": name, "state": state},
                    [f"arn:aws:ec2:{self._region.name}:{ACCOUNT}:instance/{name}"],
                )
        return invocations


class Group:
    """An Auto Scaling group of a region, and what EventBridge hears of it and of its instances."""

    def __init__(self, region: Region, name: str, size: int, most: int = 100) -> None:
        self._region, self.name = region, name
        self._ec2 = Ec2(region)
        region.groups.create(name, size, [f"{region.name}a"], most)
        self._send_changes(set())

    def members(self) -> dict[str, str]:
        """Return the members' lifecycle states by instance id."""
        response = self._region.client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[self.name]
        )
        members = (
            response["AutoScalingGroups"][0]["Instances"] if response["AutoScalingGroups"] else []
        )
        return {str(member["InstanceId"]): str(member["LifecycleState"]) for member in members}

    def resize(self, size: int) -> list[Invocation]:
        """Set the desired capacity; instances launch or end at once."""
        before = set(self.members())
        self._region.client("autoscaling").set_desired_capacity(
            AutoScalingGroupName=self.name, DesiredCapacity=size
        )
        return self._send_changes(before)

    def _send_changes(self, before: set[str]) -> list[Invocation]:
        after = set(self.members())
        came, went = sorted(after - before), sorted(before - after)
        invocations = [
            *self._ec2.send_state_changes(came, "pending", "running"),
            *self._ec2.send_state_changes(went, "shutting-down", "terminated"),
        ]
        for kind, ids in ((LAUNCHED, came), (TERMINATED, went)):
            for name in ids:
                invocations += self._region.functions.put_event(
                    "aws.autoscaling",
                    kind,
                    {
                        "AutoScalingGroupName": self.name,
                        "EC2InstanceId": name,
                        "StatusCode": "InProgress",
                    },
                )
        return invocations
