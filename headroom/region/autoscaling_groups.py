"""The embedded region's Auto Scaling groups and their instances' status checks: what moto lacks of
them.

moto keeps groups, members and instances. Here are zones that a group spreads over, status checks
that fail, their metrics each minute, the group that replaces what is marked Unhealthy, and the
scaling activities that tell of it, in AWS's own words.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.metrics import EC2
from headroom.region import moto_store
from headroom.region.context import Context

SYSTEM, INSTANCE, EBS = "system", "instance", "attached_ebs"
METRICS = {
    SYSTEM: "StatusCheckFailed_System",
    INSTANCE: "StatusCheckFailed_Instance",
    EBS: "StatusCheckFailed_AttachedEBS",
}
STATUSES = {SYSTEM: "SystemStatus", INSTANCE: "InstanceStatus", EBS: "AttachedEbsStatus"}
REPLACING = {"Launch", "ReplaceUnhealthy", "Terminate"}
REPAIR_TIME = timedelta(minutes=2)
"""So long a reboot, or a recovery, takes."""
CAUSES = {
    "launch": "At {at} an instance was started in response to a difference between desired and actual capacity.",
    "unhealthy": "At {at} an instance was taken out of service in response to a user health-check.",
}
"""Source: EC2 Auto Scaling User Guide, "Verify a scaling activity", "View the reason for health
check failures", read 2026-11."""


class Groups:
    """What happens to the instances of one region. A region in which nobody makes a group does not
    notice it."""

    def __init__(self, region: Context, publish: Callable[..., object]) -> None:
        """publish: how to publish a minute of a metric (CloudWatch.publish)."""
        self._region, self._publish_metric = region, publish
        self.failing: dict[str, dict[str, datetime]] = {}
        """By instance: the status checks that fail, and since when."""
        self.permanent: set[str] = set()
        """Instances that nothing mends."""
        self.activities: dict[str, list[dict[str, Any]]] = {}
        """By group, the newest first."""
        self._zones: dict[str, str] = {}
        self._repairs: list[tuple[datetime, str, Collection[str]]] = []
        self._used = False

    # what a scene does

    def create(
        self,
        name: str,
        size: int,
        zones: Collection[str] = ("us-east-1a", "us-east-1b"),
        most: int = 100,
    ) -> list[str]:
        """Make a group of so many instances, and return their ids, sorted."""
        autoscaling = self._region.client("autoscaling")
        image = moto_store.image(self._region.name)
        autoscaling.create_launch_configuration(
            LaunchConfigurationName=name, ImageId=image, InstanceType="t3.micro"
        )
        autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchConfigurationName=name,
            MinSize=0,
            MaxSize=most,
            DesiredCapacity=size,
            AvailabilityZones=sorted(zones),
            HealthCheckGracePeriod=0,
        )
        self.advance()
        return self.members(name)

    def members(self, name: str) -> list[str]:
        """Return the ids of a group's members, sorted."""
        return sorted(state.instance.id for state in self._group(name).instance_states)

    def zone_of(self, instance: str) -> str:
        return self._zones[instance]

    def fail_checks(self, *instances: str, check: str = INSTANCE, permanent: bool = False) -> None:
        """Let a status check of some instances fail from now on; those that are permanent nothing
        mends."""
        for instance in instances:
            self.failing.setdefault(instance, {})[check] = self._region.now
            self.permanent |= {instance} if permanent else set()

    def pass_checks(self, *instances: str) -> None:
        """Let all status checks of some instances pass again."""
        for instance in instances:
            self.failing.pop(instance, None)

    def recover(self, instance: str) -> None:
        """Do what an alarm's recover action does: other hardware, so that the system's check passes
        again."""
        self._repairs.append((self._region.now + REPAIR_TIME, instance, (SYSTEM,)))

    # time

    def advance(self) -> None:
        """Let what was begun come about: members come and go, the Unhealthy are replaced, what was
        rebooted is mended."""
        if not self._used:
            return
        due = [entry for entry in self._repairs if entry[0] <= self._region.now]
        self._repairs = [entry for entry in self._repairs if entry not in due]
        for _, instance, checks in due:
            self._repair(instance, checks)
        for group in self._backend().autoscaling_groups.values():
            self._end_terminations(group)
            self._begin_terminations(group)
            self._record_launches(group)

    def publish(self) -> None:
        """Publish a minute of the status checks of every member that runs."""
        for group in self._backend().autoscaling_groups.values() if self._used else ():
            for state in group.instance_states:
                failing = self.failing.get(state.instance.id, {})
                checks = {"StatusCheckFailed": bool(failing)} | {
                    metric: name in failing for name, metric in METRICS.items()
                }
                for metric, value in checks.items():
                    dimensions = {"InstanceId": state.instance.id}
                    self._publish_metric(EC2, metric, dimensions, self._region.minute, float(value))

    def _repair(self, instance: str, checks: Collection[str]) -> None:
        found = self.failing.get(instance, {})
        for check in checks if instance not in self.permanent else ():
            found.pop(check, None)
        if not found:
            self.failing.pop(instance, None)

    def _end_terminations(self, group: Any) -> None:
        """End the terminations that are under way, and let new instances take their places."""
        for state in [
            state for state in group.instance_states if state.lifecycle_state == "Terminating"
        ]:
            self._end(group.name, state.instance.id)
            self._backend().terminate_instance(state.instance.id, False)
            self.failing.pop(state.instance.id, None)

    def _begin_terminations(self, group: Any) -> None:
        """Begin to terminate what is marked Unhealthy, unless a process that it takes is
        suspended."""
        if REPLACING & {process["ProcessName"] for process in group.suspended_processes}:
            return
        for state in group.instance_states:
            if state.health_status == "Unhealthy" and state.lifecycle_state == "InService":
                state.lifecycle_state = "Terminating"
                self._activity(
                    group,
                    "Terminating EC2 instance",
                    state.instance.id,
                    "unhealthy",
                    in_progress=True,
                )

    def _record_launches(self, group: Any) -> None:
        """Write down who is new, in the zone that has the fewest."""
        for state in group.instance_states:
            instance = state.instance.id
            if instance not in self._zones:
                counts = Counter(
                    self._zones.get(other.instance.id) for other in group.instance_states
                )
                self._zones[instance] = min(
                    sorted(group.availability_zones), key=lambda zone: counts[zone]
                )
                self._activity(group, "Launching a new EC2 instance", instance, "launch")
            state.availability_zone = self._zones[instance]

    def _activity(
        self, group: Any, what: str, instance: str, cause: str, in_progress: bool = False
    ) -> None:
        now = self._region.now
        kept = self.activities.setdefault(group.name, [])
        activity = {
            "ActivityId": f"activity-{len(kept)}",
            "AutoScalingGroupName": group.name,
            "Description": f"{what}: {instance}",
            "Cause": CAUSES[cause].format(at=now.strftime("%Y-%m-%dT%H:%M:%SZ")),
            "StartTime": now,
            "StatusCode": "InProgress" if in_progress else "Successful",
            "Progress": 50 if in_progress else 100,
        }
        kept.insert(0, activity if in_progress else {**activity, "EndTime": now})

    def _end(self, group: str, instance: str) -> None:
        for activity in self.activities[group]:
            if activity["Description"].endswith(instance) and "EndTime" not in activity:
                activity |= {
                    "EndTime": self._region.now,
                    "StatusCode": "Successful",
                    "Progress": 100,
                }

    # the API

    def answer(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer what moto has nothing to say of; None leaves a call to moto."""
        match operation:
            case "DescribeScalingActivities":
                return self._describe_activities(params)
            case "CreateAutoScalingGroup":
                self._used = True
            case "RebootInstances":
                self._repairs += [
                    (self._region.now + REPAIR_TIME, instance, (INSTANCE,))
                    for instance in params["InstanceIds"]
                ]
        return None

    def overlay(self, response: dict[str, Any]) -> None:
        """Let DescribeInstanceStatus say what fails."""
        for status in response.get("InstanceStatuses", []):
            status["AvailabilityZone"] = self._zones.get(
                status["InstanceId"], status["AvailabilityZone"]
            )
            for check, since in self.failing.get(status["InstanceId"], {}).items():
                detail = {"Name": "reachability", "Status": "failed", "ImpairedSince": since}
                status[STATUSES[check]] = {"Status": "impaired", "Details": [detail]}

    def _describe_activities(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page: those in progress first, then the newest
        (API_DescribeScalingActivities)."""
        found = sorted(
            self._activities_of(params.get("AutoScalingGroupName")),
            key=lambda activity: "EndTime" in activity,
        )
        first, size = int(params.get("NextToken", 0)), params.get("MaxRecords", 100)
        more = {"NextToken": str(first + size)} if first + size < len(found) else {}
        return {"Activities": [dict(activity) for activity in found[first : first + size]], **more}

    def _activities_of(self, group: str | None) -> Iterator[dict[str, Any]]:
        for name, activities in self.activities.items():
            yield from activities if group in (None, name) else ()

    def _group(self, name: str) -> Any:
        return self._backend().autoscaling_groups[name]

    def _backend(self) -> Any:
        """Return moto's own store: what the region itself does is no API call of anybody's."""
        return moto_store.store("autoscaling", self._region.name)
