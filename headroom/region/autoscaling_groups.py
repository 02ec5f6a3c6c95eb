"""The embedded region's Auto Scaling groups and their instances' status checks.

moto keeps groups, members and instances. This module adds the zones of a group, status checks that
fail, their metrics each minute, the replacement of Unhealthy instances, and the scaling activities
with AWS's own texts.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from headroom.region import moto_store
from headroom.region.context import Context, page

SYSTEM, INSTANCE, EBS = "system", "instance", "attached_ebs"
METRICS = {
    SYSTEM: "StatusCheckFailed_System",
    INSTANCE: "StatusCheckFailed_Instance",
    EBS: "StatusCheckFailed_AttachedEBS",
}
STATUSES = {SYSTEM: "SystemStatus", INSTANCE: "InstanceStatus", EBS: "AttachedEbsStatus"}
REPLACING = {"Launch", "ReplaceUnhealthy", "Terminate"}
#: How long a reboot, or a recovery, takes.
REPAIR_TIME = timedelta(minutes=2)
#: Source: EC2 Auto Scaling User Guide, "Verify a scaling activity", "View the reason for health
#: check failures", read 2026-11.
CAUSES = {
    "launch": "At {at} an instance was started in response to a difference between desired and "
    "actual capacity.",
    "unhealthy": "At {at} an instance was taken out of service in response to a user health-check.",
}


class Groups:
    """The groups of one region. They cost nothing until a group is made."""

    def __init__(self, region: Context) -> None:
        self._region = region
        #: The status checks that fail, and since when, by instance.
        self.failing: dict[str, dict[str, datetime]] = {}
        #: Instances whose checks neither a reboot nor a recovery repairs.
        self.permanent: set[str] = set()
        #: The newest first.
        self.activities: list[dict[str, Any]] = []
        #: By instance.
        self.zones: dict[str, str] = {}
        #: The activities in progress, by instance.
        self._terminations: dict[str, dict[str, Any]] = {}
        #: What passes again when, by instance and status check.
        self._repairs: list[tuple[datetime, str, str]] = []
        self._used = False

    # what a scene calls

    def create(
        self,
        name: str,
        size: int,
        zones: Collection[str] = ("us-east-1a", "us-east-1b"),
        most: int = 100,
    ) -> list[str]:
        """Make a group of so many instances, and return their ids, sorted."""
        autoscaling = self._region.client("autoscaling")
        autoscaling.create_launch_configuration(
            LaunchConfigurationName=name,
            ImageId=moto_store.image(self._region.name),
            InstanceType="t3.micro",
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
        group = self._backend().autoscaling_groups[name]
        return sorted(state.instance.id for state in group.instance_states)

    def fail_checks(self, *instances: str, check: str = INSTANCE, permanent: bool = False) -> None:
        """Let a status check of some instances fail from now on. A permanent failure outlasts
        reboots and recoveries."""
        for instance in instances:
            self.failing.setdefault(instance, {})[check] = self._region.now
        self.permanent |= set(instances if permanent else ())

    def pass_checks(self, *instances: str) -> None:
        for instance in instances:
            self.failing.pop(instance, None)

    def recover(self, instance: str) -> None:
        """Do what an alarm's recover action does: after a while the system's check passes again."""
        self._repairs.append((self._region.now + REPAIR_TIME, instance, SYSTEM))

    # time

    def advance(self) -> None:
        """Complete what is due: members come and go, Unhealthy ones are replaced, rebooted ones
        are repaired."""
        if not self._used:
            return
        due = [entry for entry in self._repairs if entry[0] <= self._region.now]
        self._repairs = [entry for entry in self._repairs if entry not in due]
        for _, instance, check in due:
            if instance not in self.permanent:
                self.failing.get(instance, {}).pop(check, None)
        for group in self._backend().autoscaling_groups.values():
            self._end_terminations(group)
            self._begin_terminations(group)
            self._record_launches(group)

    def metrics(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """Yield this minute's status check metrics of every member: name, dimensions and value."""
        for group in self._backend().autoscaling_groups.values() if self._used else ():
            for state in group.instance_states:
                dimensions = {"InstanceId": state.instance.id}
                failing = self.failing.get(state.instance.id, {})
                yield "StatusCheckFailed", dimensions, float(bool(failing))
                for check, metric in METRICS.items():
                    yield metric, dimensions, float(check in failing)

    def _end_terminations(self, group: Any) -> None:
        """End the terminations that are under way, and let new instances take their places."""
        for state in [
            state for state in group.instance_states if state.lifecycle_state == "Terminating"
        ]:
            self._end(self._terminations.pop(state.instance.id))
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
                self._terminations[state.instance.id] = self._add_activity(
                    group, "Terminating EC2 instance", state.instance.id, "unhealthy"
                )

    def _record_launches(self, group: Any) -> None:
        """Record new members, each in the zone that has the fewest."""
        for state in group.instance_states:
            instance = state.instance.id
            if instance not in self.zones:
                counts = Counter(
                    self.zones.get(other.instance.id) for other in group.instance_states
                )
                self.zones[instance] = min(
                    sorted(group.availability_zones), key=lambda zone: counts[zone]
                )
                self._end(
                    self._add_activity(group, "Launching a new EC2 instance", instance, "launch")
                )
            state.availability_zone = self.zones[instance]

    def _add_activity(self, group: Any, kind: str, instance: str, cause: str) -> dict[str, Any]:
        now = self._region.now
        activity = {
            "ActivityId": f"activity-{len(self.activities)}",
            "AutoScalingGroupName": group.name,
            "Description": f"{kind}: {instance}",
            "Cause": CAUSES[cause].format(at=now.strftime("%Y-%m-%dT%H:%M:%SZ")),
            "StartTime": now,
            "StatusCode": "InProgress",
            "Progress": 50,
        }
        self.activities.insert(0, activity)
        return activity

    def _end(self, activity: dict[str, Any]) -> None:
        activity.update(EndTime=self._region.now, StatusCode="Successful", Progress=100)

    # the API

    def answer(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer what moto cannot; None leaves a call to moto."""
        match operation:
            case "DescribeScalingActivities":
                return self._describe_activities(params)
            case "CreateAutoScalingGroup":
                self._used = True
            case "RebootInstances":
                self._repairs += [
                    (self._region.now + REPAIR_TIME, instance, INSTANCE)
                    for instance in params["InstanceIds"]
                ]
        return None

    def overlay(self, response: dict[str, Any]) -> None:
        """Put the failed checks into the response of DescribeInstanceStatus."""
        for status in response.get("InstanceStatuses", []):
            status["AvailabilityZone"] = self.zones.get(
                status["InstanceId"], status["AvailabilityZone"]
            )
            for check, since in self.failing.get(status["InstanceId"], {}).items():
                detail = {"Name": "reachability", "Status": "failed", "ImpairedSince": since}
                status[STATUSES[check]] = {"Status": "impaired", "Details": [detail]}

    def _describe_activities(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page: those in progress first, then the newest
        (API_DescribeScalingActivities)."""
        group = params.get("AutoScalingGroupName")
        activities = [a for a in self.activities if group in (None, a["AutoScalingGroupName"])]
        activities.sort(key=lambda activity: "EndTime" in activity)
        items, more = page(activities, params, params.get("MaxRecords", 100))
        return {"Activities": items, **more}

    def _backend(self) -> Any:
        """Return moto's own store: what the region itself does is no API call."""
        return moto_store.store("autoscaling", self._region.name)
