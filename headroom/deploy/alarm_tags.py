"""The alarms that Headroom made for tables and instances, and the tag that says whose they are."""

from dataclasses import dataclass

from chalicelib.aws.alarms import alarms_on_topic
from chalicelib.aws.client import Aws
from chalicelib.core import instance_alarms, table_alarms
from chalicelib.core.table_alarms import TOPIC_TAG
from chalicelib.model import Alarm
from headroom.deploy.account import AwsSession
from headroom.deploy.resources import Resource, queue_tags, queue_url


@dataclass(frozen=True)
class AlarmTags(Resource):
    """The tag with the topic's ARN on alarms that an older version made.

    PutMetricAlarm ignores tags of an alarm that exists. A tag of the dead-letter queue says for
    which topic this was done, so that no alarm is read again.
    """

    SUBJECT = "tags of the alarms"

    queue: str
    topic_arn: str

    def differences(self, session: AwsSession) -> list[str]:
        if queue_url(session, self.queue) is None:
            return []  # nothing is set up, which is reported of the queue
        done = queue_tags(session, self.queue).get(TOPIC_TAG)
        return [] if done == self.topic_arn else ["those of older versions may lack the topic's"]

    def apply(self, session: AwsSession) -> None:
        cloudwatch = session.client("cloudwatch")
        tag = {"Key": TOPIC_TAG, "Value": self.topic_arn}
        for alarm in filter(is_own, alarms_on_topic(Aws(self.topic_arn))):
            cloudwatch.tag_resource(ResourceARN=alarm.fields["AlarmArn"], Tags=[tag])
        url = queue_url(session, self.queue)
        session.client("sqs").tag_queue(QueueUrl=url, Tags={TOPIC_TAG: self.topic_arn})

    def delete(self, session: AwsSession) -> bool:  # noqa: ARG002  the queue's deletion removes it
        return False


def is_own(alarm: Alarm) -> bool:
    return table_alarms.is_ours(alarm) or instance_alarms.is_ours(alarm)
